package dynamodb

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/awsjson"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/expression"
)

// Config is the configuration of a Service. The zero value works.
type Config struct {
	Now    func() time.Time // the clock. Defaults to time.Now
	Faults sandbox.Faults   // decides which calls go wrong, see the package. Defaults to none

	// IndexLag is the time from a write to its effect on an index, drawn for each write
	// and index. Writes reach an index in their order. It is called
	// inside the critical section and must not block. Defaults to no lag.
	IndexLag func(index string) time.Duration

	// PartitionWrites is the number of write units per second that one partition key accepts, of
	// a table and of each index. AWS's limit is 1,000. Defaults to no limit.
	PartitionWrites int

	// Denied reports whether an action on a table is not allowed. Actions have the names of
	// policies, without the service: Query, for an index of the table too. The actions of
	// a transaction are checked one by one. Defaults to none.
	Denied func(action, table string) bool
}

// Service is a fake Amazon DynamoDB.
type Service struct {
	config   Config
	dispatch awsjson.Service

	mu       sync.Mutex
	tables   map[string]*table
	requests map[string]transaction // finished transactions by client request token
	tokens   []string               // of requests, the oldest first
}

// New returns a service without tables.
func New(config Config) *Service {
	if config.Now == nil {
		config.Now = time.Now
	}
	s := &Service{config: config, tables: map[string]*table{}, requests: map[string]transaction{}}
	s.dispatch = awsjson.Service{
		Target: "DynamoDB_20120810",
		Operations: map[string]awsjson.Operation{
			"CreateTable":        operation(s.createTable),
			"DescribeTable":      operation(s.describeTable),
			"ListTables":         operation(s.listTables),
			"UpdateTable":        operation(s.updateTable),
			"DeleteTable":        operation(s.deleteTable),
			"UpdateTimeToLive":   operation(s.updateTimeToLive),
			"DescribeTimeToLive": operation(s.describeTimeToLive),
			"GetItem":            operation(s.getItem),
			"PutItem":            operation(s.writeItem(put)),
			"UpdateItem":         operation(s.writeItem(update)),
			"DeleteItem":         operation(s.writeItem(deletion)),
			"Query":              operation(s.query),
			"Scan":               operation(s.scan),
			"BatchWriteItem":     operation(s.batchWriteItem),
			"TransactWriteItems": operation(s.transactWriteItems),
		},
		Unknown:  &awsjson.Error{Type: framework + "UnknownOperationException", Message: "The requested operation is not supported here."},
		Throttle: []*awsjson.Error{throughputExceeded(), throttled()},
		Failures: failures,
		Faults:   config.Faults,
	}
	if config.Denied != nil {
		s.dispatch.Authorize = s.authorize
	}
	return s
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.dispatch.ServeHTTP(w, r) }

// Items returns the items of a table in the order of a scan, none if there is no
// such table. They must not be changed.
func (s *Service) Items(name string) []attribute.Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tables[name]
	if !ok {
		return nil
	}
	items := make([]attribute.Item, 0, t.rows.Len())
	t.rows.Ascend(func(r *row) bool {
		items = append(items, r.item)
		return true
	})
	return items
}

// operation decodes the input of a call and converts its errors to the service's.
func operation[I, O any](run func(*I, awsjson.Call) (*O, error)) awsjson.Operation {
	return func(call awsjson.Call) (any, error) {
		var input I
		if err := json.Unmarshal(call.Body, &input); err != nil {
			return nil, decodingError(err)
		}
		output, err := run(&input, call)
		if err != nil {
			return nil, typedError(err)
		}
		return output, nil
	}
}

// transactActions are what the members of a transaction's actions are called in
// policies.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
var transactActions = map[string]string{
	"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem",
}

// authorize refuses what Config.Denied names.
func (s *Service) authorize(operation string, body []byte) error {
	type onTable struct{ TableName string }
	var input struct {
		TableName     string
		TransactItems []map[string]onTable
		RequestItems  map[string]json.RawMessage
	}
	_ = json.Unmarshal(body, &input) // the operation reports errors
	if input.TableName != "" {
		return s.authorizeOn(operation, input.TableName)
	}
	for table := range input.RequestItems {
		if err := s.authorizeOn(operation, table); err != nil {
			return err
		}
	}
	for _, action := range input.TransactItems {
		for kind, on := range action {
			if err := s.authorizeOn(transactActions[kind], on.TableName); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) authorizeOn(action, table string) error {
	table = tableName(table)
	if !s.config.Denied(action, table) {
		return nil
	}
	return &awsjson.Error{
		Type: framework + "AccessDeniedException",
		Message: fmt.Sprintf("User: arn:aws:iam::%s:user/sandbox is not authorized to perform: dynamodb:%s on resource: %s because no identity-based policy allows the dynamodb:%s action",
			accountID, action, arn(table), action),
	}
}

// legacyMembers are the parameters from before there were expressions. They are refused,
// because ignoring them would change the meaning of a request.
type legacyMembers struct {
	AttributeUpdates, AttributesToGet, ConditionalOperator, Expected, KeyConditions, QueryFilter, ScanFilter *unsupported
}

// unsupported is a parameter that is refused.
type unsupported struct{}

// UnmarshalJSON implements json.Unmarshaler.
func (*unsupported) UnmarshalJSON([]byte) error {
	return attribute.Invalidf("The request has a parameter that the fake does not support")
}

// placeholderMembers are the members of a request that its expressions refer to.
type placeholderMembers struct {
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues attribute.Item
}

func (m placeholderMembers) placeholders() (*expression.Placeholders, error) {
	return expression.NewPlaceholders(m.ExpressionAttributeNames, m.ExpressionAttributeValues)
}

// table finds a table that can be used, by name or ARN.
func (s *Service) table(name string) (*table, error) {
	t, ok := s.tables[tableName(name)]
	if !ok {
		return nil, resourceNotFound()
	}
	return t, nil
}

// tableName takes the name out of an ARN; a name is itself.
func tableName(nameOrARN string) string {
	if _, name, ok := strings.Cut(nameOrARN, ":table/"); ok && strings.HasPrefix(nameOrARN, "arn:") {
		return name
	}
	return nameOrARN
}

// constraint returns the error for a member outside its bounds.
func constraint(value, member, rule string) error {
	return attribute.Invalidf("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: %s", value, member, rule)
}
