package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
)

func TestOutage(t *testing.T) {
	t.Parallel()
	o := newOutage(10*time.Second, 5*time.Second, 5*time.Second)
	for _, test := range []struct {
		at    time.Duration // before or after the calls are refused first
		kind  sandbox.Kind
		delay time.Duration
	}{
		{-time.Second, 0, usualDelay},
		{time.Second, sandbox.Refuse, usualDelay},
		{6 * time.Second, 0, slowDelay},
		{9 * time.Second, 0, time.Second}, // until the end
		{11 * time.Second, 0, usualDelay},
	} {
		if got := o.fault(o.refuses.Add(test.at)); got.Kind != test.kind || got.Delay != test.delay {
			t.Errorf("%s: %+v", test.at, got)
		}
	}
	if got := (*outage)(nil).fault(time.Now()); got.Delay != usualDelay {
		t.Errorf("without an outage: %+v", got)
	}
}

func TestQueue_Check(t *testing.T) {
	t.Parallel()
	q, err := newQueue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for _, id := range []string{"ev_1", "ev_2", "ev_2"} {
		const message = `{"QueueUrl":%q,"MessageBody":"body","MessageAttributes":{"event_id":{"DataType":"String","StringValue":%q}}}`
		request := httptest.NewRequest(http.MethodPost, q.SQSURL, strings.NewReader(fmt.Sprintf(message, q.QueueURL, id)))
		request.Header.Set("X-Amz-Target", "AmazonSQS.SendMessage")
		answer := httptest.NewRecorder()
		if q.SQS.ServeHTTP(answer, request); answer.Code != http.StatusOK {
			t.Fatalf("answered %d %s", answer.Code, answer.Body)
		}
	}
	for _, test := range []struct {
		accepted []string
		copies   bool
		want     string
	}{
		{[]string{"ev_1"}, false, ""},
		{[]string{"ev_1", "ev_2"}, true, ""},
		{[]string{"ev_1", "ev_2"}, false, "2 times"},
		{[]string{"ev_3"}, true, "is lost"},
		{[]string{"ev_1", "ev_1"}, true, "two requests"},
	} {
		err := q.check(test.accepted, test.copies)
		if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v", test.accepted, err)
		}
	}
	if sends := q.sends.Load(); sends != 3 {
		t.Errorf("%d sends", sends)
	}
}
