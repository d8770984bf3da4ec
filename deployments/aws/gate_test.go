package aws_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// permission is an action on a resource.
type permission struct{ action, arn string }

func (p permission) String() string { return p.action + " on " + p.arn }

// policy is a set of permissions.
type policy map[permission]bool

// policies returns the permissions of policies in the template. Each statement must allow single actions
// on single resources: the use of a pattern cannot be tested.
func policies(t *testing.T, names ...string) policy {
	t.Helper()
	allowed := policy{}
	for _, name := range names {
		statements, _ := at(resource(t, name).properties, "PolicyDocument.Statement").([]any)
		for _, statement := range statements {
			fields, _ := statement.(map[string]any)
			arn, _ := fields["Resource"].(string)
			actions, _ := fields["Action"].([]any)
			if len(fields) != 3 || fields["Effect"] != "Allow" || arn == "" || strings.Contains(arn, "*") {
				t.Errorf("%s has a statement that is not simple: %v", name, statement)
			}
			for _, action := range actions {
				if strings.Contains(fmt.Sprint(action), "*") {
					t.Errorf("%s allows the pattern %s", name, action)
				}
				allowed[permission{fmt.Sprint(action), arn}] = true
			}
		}
	}
	return allowed
}

// gate replaces IAM in front of the fakes. It reads the role from the access key of the call, records the
// required permissions, and refuses calls that the policy of the role does not allow.
type gate struct {
	roles map[string]policy // nil: everything is allowed

	mu         sync.Mutex
	needed     map[string]policy
	operations map[string]bool // called by a role with a policy
}

func newGate(roles map[string]policy) *gate {
	return &gate{roles: roles, needed: map[string]policy{}, operations: map[string]bool{}}
}

var signed = regexp.MustCompile(`Credential=([a-z]+)/`)

func (g *gate) before(service http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		who := ""
		if found := signed.FindStringSubmatch(r.Header.Get("Authorization")); found != nil {
			who = found[1]
		}
		target := r.Header.Get("X-Amz-Target")
		for _, needed := range takes(target, body) {
			if !g.passes(who, target, needed) {
				w.Header().Set("Content-Type", "application/x-amz-json-1.0")
				w.WriteHeader(http.StatusBadRequest)
				_, _ = fmt.Fprintf(w, `{"__type":"AccessDeniedException","message":"%s is not authorized to perform %s"}`, who, needed)
				return
			}
		}
		service.ServeHTTP(w, r)
	})
}

func (g *gate) passes(who, target string, needed permission) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.roles[who] != nil {
		_, operation, _ := strings.Cut(target, ".")
		g.operations[operation] = true
	}
	if g.needed[who] == nil {
		g.needed[who] = policy{}
	}
	g.needed[who][needed] = true
	allowed := g.roles[who]
	return allowed == nil || allowed[needed]
}

// takes returns the permissions that a call requires. Batches and transactions have none of their
// own, but those of what is in them.
//
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
func takes(target string, body []byte) []permission {
	service, operation, _ := strings.Cut(target, ".")
	var input struct {
		QueueUrl             string
		TableName, IndexName string
		TransactItems        []map[string]struct{ TableName string }
		RequestItems         map[string]any
	}
	if json.Unmarshal(body, &input) != nil {
		return []permission{{target, "something unreadable"}}
	}
	if service == "AmazonSQS" {
		return []permission{{"sqs:" + strings.TrimSuffix(operation, "Batch"), "arn:aws:sqs:" + region + ":" + account + ":" + path.Base(input.QueueUrl)}}
	}
	table := func(action, name string) permission {
		return permission{"dynamodb:" + action, "arn:aws:dynamodb:" + region + ":" + account + ":table/" + name}
	}
	switch {
	case len(input.TransactItems) > 0:
		var all []permission
		for _, part := range input.TransactItems {
			for kind, on := range part {
				action := map[string]string{"ConditionCheck": "ConditionCheckItem"}[kind]
				if action == "" {
					action = kind + "Item" // Put, Update, Delete, Get
				}
				all = append(all, table(action, on.TableName))
			}
		}
		return all
	case len(input.RequestItems) > 0:
		var all []permission
		for name := range input.RequestItems {
			all = append(all, table(operation, name))
		}
		return all
	case input.IndexName != "":
		return []permission{table(operation, input.TableName+"/index/"+input.IndexName)}
	default:
		return []permission{table(operation, input.TableName)}
	}
}

// of returns the permissions that the named roles needed together.
func (g *gate) of(roles ...string) policy {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := policy{}
	for _, role := range roles {
		maps.Copy(all, g.needed[role])
	}
	return all
}

// compare wants a role to be allowed what it needs, and nothing else.
func compare(t *testing.T, role string, allowed, needed policy) {
	t.Helper()
	for _, missing := range without(needed, allowed) {
		t.Errorf("%s is not allowed to %s, and calls it", role, missing)
	}
	for _, surplus := range without(allowed, needed) {
		t.Errorf("%s is allowed to %s, and does not call it", role, surplus)
	}
}

// without returns the permissions that are in all and not in some.
func without(all, some policy) []permission {
	var rest []permission
	for p := range all {
		if !some[p] {
			rest = append(rest, p)
		}
	}
	slices.SortFunc(rest, func(a, b permission) int { return strings.Compare(a.String(), b.String()) })
	return rest
}

// The documentation of AWS lists the permissions of each call.
func TestTakes_MatchesDocumentation(t *testing.T) {
	t.Parallel()
	const queue, table = "arn:aws:sqs:eu-central-1:000000000000:q", "arn:aws:dynamodb:eu-central-1:000000000000:table/"
	for _, test := range []struct {
		target, body string
		want         []permission
	}{
		{"AmazonSQS.SendMessageBatch", `{"QueueUrl":"http://h/1/q"}`, []permission{{"sqs:SendMessage", queue}}},
		{"AmazonSQS.ReceiveMessage", `{"QueueUrl":"http://h/1/q"}`, []permission{{"sqs:ReceiveMessage", queue}}},
		{"DynamoDB_20120810.Query", `{"TableName":"t","IndexName":"i"}`, []permission{{"dynamodb:Query", table + "t/index/i"}}},
		{"DynamoDB_20120810.BatchGetItem", `{"RequestItems":{"t":{}}}`, []permission{{"dynamodb:BatchGetItem", table + "t"}}},
		{"DynamoDB_20120810.TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"t"}},{"ConditionCheck":{"TableName":"u"}}]}`, []permission{
			{"dynamodb:PutItem", table + "t"}, {"dynamodb:ConditionCheckItem", table + "u"},
		}},
	} {
		if got := takes(test.target, []byte(test.body)); !slices.Equal(got, test.want) {
			t.Errorf("%s %s takes %v, want %v", test.target, test.body, got, test.want)
		}
	}
}
