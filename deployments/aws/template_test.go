package aws_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	region  = "eu-central-1" // of the fakes, as the account
	account = "000000000000"

	mainQueue = "billable-webhooks"
	deadQueue = "billable-webhooks-dead"
	events    = "billable_events"
	ledger    = "billable_invoices"
)

// made has the values of the references in the template.
func made() references {
	values := references{
		"AWS::Region": region, "AWS::AccountId": account, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com",
		"ReceiverPolicy": "ReceiverPolicy", "ConsumerPolicy": "ConsumerPolicy", "OperatorPolicy": "OperatorPolicy",
	}
	for id, name := range map[string]string{"Queue": mainQueue, "DeadLetters": deadQueue} {
		values[id], values[id+".QueueName"] = "https://"+name, name
		values[id+".Arn"] = "arn:aws:sqs:" + region + ":" + account + ":" + name
	}
	for id, name := range map[string]string{"EventsTable": events, "LedgerTable": ledger} {
		values[id], values[id+".Arn"] = name, "arn:aws:dynamodb:"+region+":"+account+":table/"+name
	}
	return values
}

func read(t *testing.T) *stackTemplate {
	t.Helper()
	content, err := os.ReadFile("billable.yaml")
	if err != nil {
		t.Fatal(err)
	}
	template, err := parseTemplate(content)
	if err != nil {
		t.Fatal(err)
	}
	return template
}

// resource is one of the template's, with values besides the usual ones.
func resource(t *testing.T, name string, more ...string) stackResource {
	t.Helper()
	values := made()
	for _, assignment := range more {
		name, value, _ := strings.Cut(assignment, "=")
		values[name] = value
	}
	found, err := read(t).resource(name, values)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// at follows a path of names and indexes, with dots between; nil where it ends early.
func at(value any, path string) any {
	for step := range strings.SplitSeq(path, ".") {
		switch holder := value.(type) {
		case map[string]any:
			value = holder[step]
		case []any:
			var index int
			if _, err := fmt.Sscan(step, &index); err != nil || index >= len(holder) {
				return nil
			}
			value = holder[index]
		default:
			return nil
		}
	}
	return value
}

// The template has the properties that the program and its documents require.
func TestTemplate_Properties(t *testing.T) {
	t.Parallel()
	const key, topic = "KeyArn=arn:aws:kms:eu-central-1:1:key/k", "AlarmTopicArn=arn:aws:sns:eu-central-1:1:topic"
	for _, test := range []struct {
		resource, path string
		want           any // nil: absent
		given          []string
	}{
		{"Queue", "MessageRetentionPeriod", 7 * 24 * 3600, nil},
		{"Queue", "RedrivePolicy.maxReceiveCount", 1000, nil},
		{"Queue", "RedrivePolicy.deadLetterTargetArn", made()["DeadLetters.Arn"], nil},
		{"Queue", "SqsManagedSseEnabled", true, nil},
		{"Queue", "KmsMasterKeyId", nil, nil},
		{"Queue", "KmsMasterKeyId", "arn:aws:kms:eu-central-1:1:key/k", []string{key}},
		{"Queue", "SqsManagedSseEnabled", nil, []string{key}},
		{"DeadLetters", "MessageRetentionPeriod", 14 * 24 * 3600, nil},
		{"DeadLetters", "RedriveAllowPolicy.redrivePermission", "byQueue", nil},
		{"DeadLetters", "RedriveAllowPolicy.sourceQueueArns.0", made()["Queue.Arn"], nil},
		{"DeadLetters", "SqsManagedSseEnabled", true, nil},
		{"DeadLetters", "KmsMasterKeyId", "arn:aws:kms:eu-central-1:1:key/k", []string{key}},
		{"EventsTable", "PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled", true, nil},
		{"EventsTable", "DeletionProtectionEnabled", true, nil},
		{"EventsTable", "TimeToLiveSpecification", nil, nil},
		{"EventsTable", "SSESpecification.KMSMasterKeyId", "arn:aws:kms:eu-central-1:1:key/k", []string{key}},
		{"LedgerTable", "PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled", true, nil},
		{"LedgerTable", "DeletionProtectionEnabled", true, nil},
		{"LedgerTable", "TimeToLiveSpecification.AttributeName", "expires_at", nil},
		{"LedgerTable", "TimeToLiveSpecification.Enabled", true, nil},
		{"LedgerTable", "SSESpecification.KMSMasterKeyId", "arn:aws:kms:eu-central-1:1:key/k", []string{key}},
		{"DeadLettersAlarm", "Threshold", 0, nil},
		{"DeadLettersAlarm", "AlarmActions", nil, nil},
		{"DeadLettersAlarm", "AlarmActions.0", "arn:aws:sns:eu-central-1:1:topic", []string{topic}},
		{"OldestMessageAlarm", "Threshold", "3600", nil},
		{"OldestDeadLetterAlarm", "MetricName", "ApproximateNumberOfMessagesVisible", nil},
		{"OldestDeadLetterAlarm", "Threshold", 0, nil},
	} {
		if got := at(resource(t, test.resource, test.given...).properties, test.path); got != test.want {
			t.Errorf("%s, %v: %s is %v, want %v", test.resource, test.given, test.path, got, test.want)
		}
	}
}

// A message that SQS moves may be as old as the retention of the main queue, and the age in the
// dead-letter queue counts from its sent time: the alarm leaves at least two days.
func TestTemplate_OldestDeadLetterAlarm(t *testing.T) {
	t.Parallel()
	seconds := func(name, path string) int {
		value, ok := at(resource(t, name).properties, path).(int)
		if !ok {
			t.Fatalf("%s: %s is not a number", name, path)
		}
		return value
	}
	period, periods := seconds("OldestDeadLetterAlarm", "Period"), seconds("OldestDeadLetterAlarm", "EvaluationPeriods")
	remaining := seconds("DeadLetters", "MessageRetentionPeriod") - seconds("Queue", "MessageRetentionPeriod") - period*periods
	if remaining < 2*24*3600 {
		t.Errorf("the alarm leaves %d s", remaining)
	}
	// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
	if period < 3600 || period*periods > 604_800 {
		t.Errorf("CloudWatch does not take %d periods of %d s", periods, period)
	}
}

// Neither a deleted stack nor a renamed queue deletes data.
func TestTemplate_RetainsData(t *testing.T) {
	t.Parallel()
	holders := 0
	for _, name := range read(t).names() {
		found := resource(t, name)
		if found.kind == "AWS::SQS::Queue" || found.kind == "AWS::DynamoDB::Table" {
			holders++
			if !found.kept {
				t.Errorf("%s is not kept", name)
			}
		}
		if strings.HasSuffix(name, "Alarm") && at(resource(t, name, "AlarmTopicArn=topic").properties, "AlarmActions.0") != "topic" {
			t.Errorf("%s notifies no topic", name)
		}
	}
	if holders != 4 {
		t.Errorf("%d resources hold data, want 4", holders)
	}
}

// Both queues deny calls without TLS, to all principals.
func TestTemplate_QueuePolicies(t *testing.T) {
	t.Parallel()
	for policy, queue := range map[string]string{"QueuePolicy": "Queue", "DeadLettersPolicy": "DeadLetters"} {
		found := resource(t, policy)
		want := map[string]any{
			"Queues": []any{made()[queue]},
			"PolicyDocument": map[string]any{
				"Version": "2012-10-17",
				"Statement": []any{map[string]any{
					"Sid": "DenyInsecureTransport", "Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": made()[queue+".Arn"],
					"Condition": map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}},
				}},
			},
		}
		if difference := cmp.Diff(want, found.properties); found.kind != "AWS::SQS::QueuePolicy" || difference != "" {
			t.Errorf("%s is an %s (-want +got):\n%s", policy, found.kind, difference)
		}
	}
}

// Each role has one service account, with both mechanisms of EKS.
func TestTemplate_RoleTrust(t *testing.T) {
	t.Parallel()
	const cluster = "arn:aws:eks:eu-central-1:000000000000:cluster/main"
	for role, serviceAccount := range map[string]string{"ReceiverRole": "receiver", "ConsumerRole": "consumer", "OperatorRole": "operator"} {
		trust := at(resource(t, role).properties, "AssumeRolePolicyDocument.Statement.0")
		if at(trust, "Principal.Service") != "pods.eks.amazonaws.com" ||
			at(trust, "Condition.StringEquals.aws:SourceAccount") != account ||
			at(trust, "Condition.ArnLike.aws:SourceArn") != "arn:aws:eks:*:"+account+":cluster/*" ||
			at(trust, "Condition.StringEquals.aws:RequestTag/kubernetes-namespace") != "billable" ||
			at(trust, "Condition.StringEquals.aws:RequestTag/kubernetes-service-account") != serviceAccount {
			t.Errorf("%s with Pod Identity: %v", role, trust)
		}
		trust = at(resource(t, role, "ClusterArn="+cluster).properties, "AssumeRolePolicyDocument.Statement.0")
		if got := at(trust, "Condition.ArnLike.aws:SourceArn"); got != cluster {
			t.Errorf("%s of one cluster: aws:SourceArn is %v", role, got)
		}
		found := resource(t, role, "OidcProviderArn=arn:provider", "OidcIssuer=oidc.eks/id/1").properties["AssumeRolePolicyDocument"]
		text, _ := found.(string)
		for _, want := range []string{
			`"Federated": "arn:provider"`, `"oidc.eks/id/1:aud": "sts.amazonaws.com"`, `"oidc.eks/id/1:sub": "system:serviceaccount:billable:` + serviceAccount + `"`,
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s with IRSA lacks %s: %s", role, want, text)
			}
		}
	}
}

// A customer managed key is used through the services only, according to the documentation of AWS: the
// fakes have no KMS.
func TestTemplate_CustomerManagedKey(t *testing.T) {
	t.Parallel()
	const key = "arn:aws:kms:eu-central-1:1:key/k"
	for name, services := range map[string]string{
		"ReceiverPolicy": "sqs.eu-central-1.amazonaws.com",
		"ConsumerPolicy": "sqs.eu-central-1.amazonaws.com dynamodb.eu-central-1.amazonaws.com",
		"OperatorPolicy": "", // is never without ConsumerPolicy
	} {
		found, _ := at(resource(t, name, "KeyArn="+key).properties, "PolicyDocument.Statement").([]any)
		without, _ := at(resource(t, name).properties, "PolicyDocument.Statement").([]any)
		more := found[len(without):]
		if services == "" {
			if len(more) > 0 {
				t.Errorf("%s: %v", name, more)
			}
			continue
		}
		via, _ := at(more, "0.Condition.StringEquals.kms:ViaService").([]any)
		if len(more) != 1 || at(more, "0.Resource") != key || fmt.Sprint(at(more, "0.Action")) != "[kms:Decrypt kms:GenerateDataKey]" || strings.Trim(fmt.Sprint(via), "[]") != services {
			t.Errorf("%s: %v", name, more)
		}
	}
}
