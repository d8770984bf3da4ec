package main

import (
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
	b := newBaseline(t, q)
	for _, body := range []string{"1", "2", "2"} {
		if status := b.post(sendMessage, strings.ReplaceAll(usualBody(), placeholder, body)).Code; status != 200 {
			t.Fatalf("answered %d", status)
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
