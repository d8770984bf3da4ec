package main

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
)

// TestGate holds a poll back, counts later calls, and notices the last deleted message.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newGate(3)
		var bodies []string
		server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
			body, _ := io.ReadAll(request.Body)
			bodies = append(bodies, string(body))
		})}
		w.wrap("SQS", server)
		send := func(operation, body string) {
			request := httptest.NewRequest(http.MethodPost, "http://sqs/", strings.NewReader(body))
			request.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
			response, err := sandbox.Transport{Handler: server.Handler}.RoundTrip(request)
			if err != nil {
				t.Error(err)
				return
			}
			response.Body.Close()
		}
		send("GetQueueAttributes", "{}") // not counted before the gate is opened
		polled := make(chan struct{})
		go func() {
			send(receiveMessage, "{}")
			close(polled)
		}()
		<-w.polling
		synctest.Wait()
		select {
		case <-polled:
			t.Fatal("the poll was not held back")
		default:
		}
		w.open()
		<-polled
		time.Sleep(time.Second)
		send(deleteMessageBatch, `{"Entries":[{},{}]}`)
		time.Sleep(time.Second)
		send(deleteMessageBatch, `{"Entries":[{}]}`)
		<-w.finished
		send(receiveMessage, "{}") // not counted after the end

		got := w.result()
		want := map[string]int{"SQS ReceiveMessage": 1, "SQS DeleteMessageBatch": 2}
		if !maps.Equal(got.Calls, want) || w.deletedMessages() != 3 || got.Took != 2*time.Second {
			t.Errorf("got %+v", got)
		}
		if len(bodies) != 5 || bodies[2] != `{"Entries":[{},{}]}` {
			t.Errorf("the fake got %q", bodies)
		}
	})
}

func TestOperationOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ method, path, target, want string }{
		{http.MethodPost, "/", "DynamoDB_20120810.GetItem", "GetItem"},
		{http.MethodPost, "/api/v2/invoices/draft_1/add_charge", "", "add_charge"},
		{http.MethodGet, "/api/v2/invoices/draft_1", "", "GET"},
	} {
		request := httptest.NewRequest(test.method, test.path, nil)
		if test.target != "" {
			request.Header.Set("X-Amz-Target", test.target)
		}
		if got := operationOf(request); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}
