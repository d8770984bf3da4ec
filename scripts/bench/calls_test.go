package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestCallCounter(t *testing.T) {
	t.Parallel()
	var counter callCounter
	server := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	counter.count("SQS", server)
	request := httptest.NewRequest(http.MethodPost, "/", nil)
	request.Header.Set("X-Amz-Target", "AmazonSQS.ReceiveMessage")
	for range 2 {
		server.Handler.ServeHTTP(httptest.NewRecorder(), request)
	}
	if calls := counter.take(); calls["SQS ReceiveMessage"] != 2 || callsOf(calls, "SQS") != 2 {
		t.Errorf("got %v", calls)
	}
	if calls := counter.take(); len(calls) != 0 {
		t.Errorf("the second time: %v", calls)
	}
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

func TestCheckExpected(t *testing.T) {
	t.Parallel()
	if err := checkExpected(map[string]int{"Chargebee close": 1}); err != nil {
		t.Error(err)
	}
	if err := checkExpected(map[string]int{"Chargebee close": 1, "DynamoDB Scan": 1}); err == nil || !strings.Contains(err.Error(), "DynamoDB Scan") {
		t.Errorf("a scan: %v", err)
	}
}
