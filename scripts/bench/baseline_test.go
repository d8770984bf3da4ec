package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/billable-events/billable/pkg/webhook"
	"github.com/billable-events/billable/scripts/testbed"
)

type testBaseline struct{ baseline }

func newBaseline(t *testing.T, q *queue) *testBaseline {
	t.Helper()
	client := awssqs.NewFromConfig(aws.Config{
		Region: "eu-central-1", BaseEndpoint: &q.SQSURL, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
	return &testBaseline{baseline{client: client, queueURL: q.QueueURL}}
}

func (b *testBaseline) post(name, body string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	b.handler(name).ServeHTTP(answer, httptest.NewRequest(http.MethodPost, webhook.Path, strings.NewReader(body)))
	return answer
}

func TestBaseline(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name           string
		status, stored int // of an invalid body and of a valid one
	}{{readBody, 200, 0}, {validate, 400, 0}, {sendMessage, 400, 1}} {
		q, err := newQueue(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		b := newBaseline(t, q)
		if got := b.post(test.name, "{"); got.Code != test.status {
			t.Errorf("%s: half a body was answered %d", test.name, got.Code)
		}
		got := b.post(test.name, usualBody())
		var resp baselineResponse
		if err := json.Unmarshal(got.Body.Bytes(), &resp); err != nil || got.Code != http.StatusOK {
			t.Errorf("%s: %d %s", test.name, got.Code, got.Body)
		}
		stored := q.SQS.Messages(testbed.QueueName)
		if len(stored) != test.stored {
			t.Errorf("%s: %d messages", test.name, len(stored))
			continue
		}
		for _, message := range stored {
			if message.Body != usualBody() || message.Attributes["event_id"] != resp.EventID || message.ID != resp.MessageID || resp.EventID == "" {
				t.Errorf("%s: %+v, answered %+v", test.name, message, resp)
			}
		}
	}
}

func TestServeBaseline_UnknownName(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"the moon"}, {readBody, validate}} {
		if err := serveBaseline(t.Context(), args); err == nil {
			t.Errorf("%q was served", args)
		}
	}
}
