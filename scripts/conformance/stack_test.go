package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/billable-events/billable/scripts/cloudformation"
)

// answers has the response of a service to each action.
type answers map[string]string

func (a answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	action := path.Ext(r.Header.Get("X-Amz-Target"))
	if action == "" {
		form, _ := url.ParseQuery(string(body))
		action = "." + form.Get("Action")
	}
	answer, ok := a[action[1:]]
	if !ok {
		w.WriteHeader(http.StatusBadRequest)
		answer = "no " + action
	}
	_, _ = io.WriteString(w, answer)
}

func serving(t *testing.T, a answers) cloud {
	t.Helper()
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	return cloud{server.URL}
}

const policyText = `%7B%22Statement%22%3A%5B%7B%22Action%22%3A%22a%22%7D%5D%7D`

func TestReaders(t *testing.T) {
	t.Parallel()
	aws := serving(t, answers{
		"GetQueueAttributes":        `{"Attributes":{"MessageRetentionPeriod":"604800","RedrivePolicy":"{\"maxReceiveCount\":1000}","Policy":"{\"Statement\":[]}"}}`,
		"DescribeTable":             `{"Table":{"BillingModeSummary":{"BillingMode":"PAY_PER_REQUEST"},"GlobalSecondaryIndexes":[{"IndexName":"i","IndexStatus":"ACTIVE"}]}}`,
		"DescribeTimeToLive":        `{"TimeToLiveDescription":{"TimeToLiveStatus":"ENABLED","AttributeName":"at"}}`,
		"DescribeContinuousBackups": `{"ContinuousBackupsDescription":{"PointInTimeRecoveryDescription":{"PointInTimeRecoveryStatus":"ENABLED"}}}`,
		"GetRole":                   `<R><GetRoleResult><Role><Description>d</Description><AssumeRolePolicyDocument>` + policyText + `</AssumeRolePolicyDocument></Role></GetRoleResult></R>`,
		"ListAttachedRolePolicies":  `<R><ListAttachedRolePoliciesResult><AttachedPolicies><member><PolicyArn>arn</PolicyArn></member></AttachedPolicies></ListAttachedRolePoliciesResult></R>`,
		"GetPolicy":                 `<R><GetPolicyResult><Policy><DefaultVersionId>v1</DefaultVersionId></Policy></GetPolicyResult></R>`,
		"GetPolicyVersion":          `<R><GetPolicyVersionResult><PolicyVersion><Document>` + policyText + `</Document></PolicyVersion></GetPolicyVersionResult></R>`,
		"DescribeAlarms":            `{"MetricAlarms":[{"Threshold":100.0}]}`,
	})
	for _, test := range []struct {
		kind, property string
		want           any
	}{
		{"AWS::SQS::Queue", "QueueName", "q"},
		{"AWS::SQS::Queue", "MessageRetentionPeriod", 604800},
		{"AWS::SQS::Queue", "RedrivePolicy", map[string]any{"maxReceiveCount": 1000}},
		{"AWS::SQS::QueuePolicy", "Queues", []any{"http://h/1/q"}},
		{"AWS::SQS::QueuePolicy", "PolicyDocument", map[string]any{"Statement": []any{}}},
		{"AWS::DynamoDB::Table", "BillingMode", "PAY_PER_REQUEST"},
		{"AWS::DynamoDB::Table", "TimeToLiveSpecification", map[string]any{"AttributeName": "at", "Enabled": true}},
		{"AWS::DynamoDB::Table", "PointInTimeRecoverySpecification", map[string]any{"PointInTimeRecoveryEnabled": true}},
		{"AWS::DynamoDB::Table", "GlobalSecondaryIndexes", []any{map[string]any{"IndexName": "i", "KeySchema": nil, "Projection": nil}}},
		{"AWS::IAM::Role", "ManagedPolicyArns", []any{"arn"}},
		{"AWS::IAM::Role", "AssumeRolePolicyDocument", map[string]any{"Statement": []any{map[string]any{"Action": "a"}}}},
		{"AWS::IAM::ManagedPolicy", "PolicyDocument", map[string]any{"Statement": []any{map[string]any{"Action": "a"}}}},
		{"AWS::CloudWatch::Alarm", "Threshold", 100},
	} {
		found, err := readers[test.kind](t.Context(), aws, "http://h/1/q")
		if difference := compare(test.want, found[test.property]); err != nil || difference != "" {
			t.Errorf("%s: %s %s, %v", test.kind, test.property, difference, err)
		}
		if _, err := readers[test.kind](t.Context(), serving(t, nil), "q"); err == nil {
			t.Errorf("%s was read of a service that refuses", test.kind)
		}
	}
}

// TestReadBack: what is not as the template wants it is named, and so is what is right and
// was known not to be.
func TestReadBack(t *testing.T) {
	t.Parallel()
	aws := serving(t, answers{"DescribeAlarms": `{"MetricAlarms":[{"Threshold":100.0,"Period":60}]}`})
	s := &stack{aws: aws, physical: map[string]string{"Alarm": "a"}, resources: map[string]cloudformation.Resource{
		"Alarm": {Type: "AWS::CloudWatch::Alarm", Properties: map[string]any{"Threshold": 100, "Period": 300, "Statistic": "Sum"}},
	}}
	right, surprises, err := s.readBack(t.Context())
	text := strings.Join(surprises, "\n")
	if err != nil || right != 1 || len(surprises) != 2+len(unkept) || !strings.Contains(text, `Alarm.Period is "60", want "300"`) ||
		!strings.Contains(text, "Alarm.Statistic is null, want") || !strings.Contains(text, "remove it from unkept") {
		t.Errorf("%d right, %v\n%s", right, err, text)
	}
	s.resources["Strange"] = cloudformation.Resource{Type: "AWS::Strange"}
	if _, _, err := s.readBack(t.Context()); err == nil || !strings.Contains(err.Error(), "AWS::Strange") {
		t.Errorf("a resource that nobody can read: %v", err)
	}
}

// TestMakeStack goes through the responses of CloudFormation to the template.
func TestMakeStack(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("../../" + template)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := cloudformation.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	outputs, resources := "", ""
	for _, name := range parsed.Outputs() {
		outputs += fmt.Sprintf("<member><OutputKey>%s</OutputKey><OutputValue>value</OutputValue></member>", name)
	}
	for _, name := range parsed.Names() {
		resources += fmt.Sprintf("<member><LogicalResourceId>%s</LogicalResourceId><PhysicalResourceId>made</PhysicalResourceId></member>", name)
	}
	for name, test := range map[string]struct{ status, outputs, want string }{
		"made":              {"CREATE_COMPLETE", outputs, ""},
		"not made":          {"ROLLBACK_COMPLETE", outputs, "the stack is ROLLBACK_COMPLETE"},
		"without an output": {"CREATE_COMPLETE", "", "the stack has no output QueueArn"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made, err := makeStack(t.Context(), serving(t, answers{
				"CreateStack":            "",
				"DescribeStacks":         "<R><DescribeStacksResult><Stacks><member><StackStatus>" + test.status + "</StackStatus><Outputs>" + test.outputs + "</Outputs></member></Stacks></DescribeStacksResult></R>",
				"DescribeStackResources": "<R><DescribeStackResourcesResult><StackResources>" + resources + "</StackResources></DescribeStackResourcesResult></R>",
			}).url, string(body))
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%v, want %q", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for name, resource := range made.resources {
				if readers[resource.Type] == nil {
					t.Errorf("nobody reads %s back, an %s", name, resource.Type)
				}
			}
		})
	}
}
