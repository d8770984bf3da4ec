package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
	"github.com/billable-events/billable/pkg/webhook"
)

const webhookFile = "../../pkg/event/testdata/pending_invoice_created.json"

func newBaseline(t *testing.T, service *sqs.Service) *baseline {
	t.Helper()
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
	return &baseline{client: client, queueURL: *created.QueueUrl}
}

func TestBaseline(t *testing.T) {
	t.Parallel()
	valid, err := os.ReadFile(webhookFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name           string
		status, stored int // of an invalid body and of a valid one
	}{{doNothing, 200, 0}, {readBody, 200, 0}, {validate, 400, 0}, {sendMessage, 400, 1}} {
		service := sqs.New(sqs.Config{})
		handler := newBaseline(t, service).handler(test.name)
		post := func(body string) *httptest.ResponseRecorder {
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, webhook.Path, strings.NewReader(body)))
			return answer
		}
		if got := post("{"); got.Code != test.status {
			t.Errorf("%s: half a body was answered %d", test.name, got.Code)
		}
		got := post(string(valid))
		var resp baselineResponse
		if err := json.Unmarshal(got.Body.Bytes(), &resp); err != nil || got.Code != http.StatusOK {
			t.Errorf("%s: %d %s", test.name, got.Code, got.Body)
		}
		stored := service.Messages("events")
		if len(stored) != test.stored {
			t.Errorf("%s: %d messages", test.name, len(stored))
			continue
		}
		for _, message := range stored {
			if message.Body != string(valid) || message.Attributes["event_id"] != resp.EventID || message.ID != resp.MessageID || resp.EventID == "" {
				t.Errorf("%s: %+v, answered %+v", test.name, message, resp)
			}
		}
	}
}

func TestServeBaseline_UnknownName(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"the moon"}, {doNothing, readBody}} {
		if err := serveBaseline(t.Context(), args); err == nil {
			t.Errorf("%q was served", args)
		}
	}
}
