package dynamodb

import (
	"encoding/json"
	"fmt"

	"github.com/billable-events/billable/pkg/sandbox/awsjson"
)

// transactActions are what the members of a transaction's actions are called in
// policies.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
var transactActions = map[string]string{
	"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem", "Get": "GetItem",
}

// authorize refuses what Config.Denied names.
func (s *Service) authorize(operation string, body []byte) error {
	type onTable struct{ TableName string }
	var input struct {
		TableName     string
		TransactItems []map[string]onTable
		RequestItems  map[string]json.RawMessage
	}
	_ = json.Unmarshal(body, &input) // what is wrong with it the operation says
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
			s.config.AccountID, action, s.arn(table), action),
	}
}
