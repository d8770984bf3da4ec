package sqsqueue_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/billable-events/billable/pkg/finding"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

// guarded is a client of a service that denies actions on its queues.
func guarded(t *testing.T, denied ...string) (*awssqs.Client, *sqs.Service, string) {
	t.Helper()
	service := sqs.New(sqs.Config{Denied: func(action, _ string) bool { return slices.Contains(denied, action) }})
	client := awssqs.NewFromConfig(aws.Config{
		Region:       "eu-central-1",
		BaseEndpoint: aws.String("http://sandbox.local"),
		Credentials:  credentials.NewStaticCredentialsProvider("id", "secret", ""),
		HTTPClient:   &http.Client{Transport: sandbox.Transport{Handler: service}},
	})
	created, err := client.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: aws.String("events")})
	if err != nil {
		t.Fatal(err)
	}
	return client, service, *created.QueueUrl
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	client, _, url := guarded(t)
	deadLetters, err := client.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: aws.String("deadLetters")})
	if err != nil {
		t.Fatal(err)
	}
	const arn = "arn:aws:sqs:eu-central-1:000000000000:"
	set := func(url string, attributes map[string]string) {
		t.Helper()
		if _, err := client.SetQueueAttributes(t.Context(), &awssqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: attributes}); err != nil {
			t.Fatal(err)
		}
	}
	set(url, map[string]string{
		"RedrivePolicy": `{"deadLetterTargetArn":"` + arn + `deadLetters","maxReceiveCount":"7"}`, "MessageRetentionPeriod": "600",
		"DelaySeconds": "9", "VisibilityTimeout": "40", "MaximumMessageSize": "2048", "KmsMasterKeyId": "alias/mine",
	})
	set(*deadLetters.QueueUrl, map[string]string{
		"RedriveAllowPolicy": `{"redrivePermission":"byQueue","sourceQueueArns":["` + arn + `events","` + arn + `others"]}`, "SqsManagedSseEnabled": "false",
	})
	if _, err := client.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: deadLetters.QueueUrl, MessageBody: aws.String("x")}); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]finding.QueueAttributes{
		url: {
			ARN: arn + "events", Retention: 10 * time.Minute, Delay: 9 * time.Second, Visibility: 40 * time.Second, MaxMessageBytes: 2048,
			Encrypted: true, KMSKey: "alias/mine", RedriveTarget: arn + "deadLetters", MaxReceives: 7,
		},
		*deadLetters.QueueUrl: {
			ARN: arn + "deadLetters", Retention: 96 * time.Hour, Visibility: 30 * time.Second, MaxMessageBytes: 1 << 20,
			RedrivePermission: "byQueue", Sources: arn + "events " + arn + "others", Visible: 1,
		},
	} {
		if got, err := sqsqueue.Describe(t.Context(), client, url); err != nil || got != want {
			t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
		}
	}
	for _, url := range []string{url + "_of_another_name", "no URL"} {
		if _, err := sqsqueue.Describe(t.Context(), client, url); !errors.Is(err, sqsqueue.ErrNoQueue) {
			t.Errorf("%s: %v", url, err)
		}
	}
	client, _, url = guarded(t, "GetQueueAttributes")
	if _, err := sqsqueue.Describe(t.Context(), client, url); !sqsqueue.Denied(err) || errors.Is(err, sqsqueue.ErrNoQueue) {
		t.Errorf("denied: %v", err)
	}
}

// TestProbes: each permission is tried by a call of its own, and nothing comes of it.
func TestProbes(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "SendMessage"} {
		client, service, url := guarded(t, action)
		if action != "SendMessage" {
			if _, err := client.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x")}); err != nil {
				t.Fatal(err)
			}
		}
		before := service.Messages("events")
		for _, probe := range sqsqueue.Probes(t.Context(), client, url) {
			want := finding.Probe{Action: probe.Action, Denied: probe.Action == "sqs:"+action}
			want.Unproven = probe.Action == "sqs:ReceiveMessage" && !want.Denied
			if probe != want {
				t.Errorf("%s denied: got %+v, want %+v", action, probe, want)
			}
		}
		after := service.Messages("events")
		if len(after) != len(before) || len(after) == 1 && (after[0].State != before[0].State || after[0].ReceiveCount != 0) {
			t.Errorf("the queue held %+v, and holds %+v", before, after)
		}
	}
	client, _, _ := guarded(t)
	for _, probe := range sqsqueue.Probes(t.Context(), client, "http://sandbox.local/000000000000/other") {
		if probe.Err == nil && !probe.Unproven || probe.Denied {
			t.Errorf("without a queue: %+v", probe)
		}
	}
}
