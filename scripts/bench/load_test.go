package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/event"
)

// TestWebhookBody is parsed by the receiver and has the usual size.
func TestWebhookBody(t *testing.T) {
	t.Parallel()
	invoices := map[string]bool{}
	for number := range 100 {
		id := eventIDOf(7, number)
		body := webhookBody(id)
		got, err := event.Parse([]byte(body))
		if err != nil || got.ID != id || got.Type != event.PendingInvoiceCreated || len(got.Invoice.LineItems) == 0 {
			t.Fatalf("%+v, %v", got, err)
		}
		if len(body) != bodySize || !json.Valid([]byte(body)) {
			t.Fatalf("%d bytes: %s", len(body), body)
		}
		if !isWebhook(id, body) || isWebhook(eventIDOf(7, number+1), body) || isWebhook(id, body+" ") {
			t.Fatal("another body is taken for the webhook")
		}
		if !isWebhook(id, body+strings.Repeat(" ", 1_000_000-len(body))) {
			t.Fatal("a padded webhook is not recognised")
		}
		if large := linesBody.start(id) + string(linesBody.filler()); !isWebhook(id, large) || !json.Valid([]byte(large)) || len(large) > 1_000_000 {
			t.Fatalf("a webhook of %d bytes with many lines is not recognised", len(large))
		}
		invoices[got.Invoice.ID] = true
	}
	if len(invoices) != 100 || eventIDOf(1, 2) == eventIDOf(2, 1) {
		t.Errorf("%d invoices", len(invoices))
	}
}

// target accepts webhooks as a receiver does.
type fakeReceiver struct {
	*httptest.Server

	mu   sync.Mutex
	seen map[string]int
}

func newFakeReceiver(t *testing.T, answer func(number int, w http.ResponseWriter, eventID string)) *fakeReceiver {
	t.Helper()
	target := &fakeReceiver{seen: map[string]int{}}
	target.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		got, invalid := event.Parse(body)
		username, password, _ := r.BasicAuth()
		if err != nil || invalid != nil || username != "user" || password != "pass" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%v, %v, %s", err, invalid, r.Header)
		}
		target.mu.Lock()
		number := len(target.seen)
		target.seen[got.ID]++
		target.mu.Unlock()
		answer(number, w, got.ID)
	}))
	t.Cleanup(target.Close)
	return target
}

func queued(_ int, w http.ResponseWriter, eventID string) {
	_, _ = fmt.Fprintf(w, `{"status":"queued","event_id":%q}`, eventID)
}

// attack runs a plan.
func attack(t *testing.T, plan Plan) (outcome Outcome) {
	t.Helper()
	plan.Username, plan.Password, plan.Attack, plan.Timeout = "user", "pass", 3, 5*time.Second
	var g generator
	if err := errors.Join(g.Prepare(plan, nil), g.Run(0, &outcome)); err != nil {
		t.Fatal(err)
	}
	return outcome
}

// TestPlan_SendsEachEventOnce runs each kind of load.
func TestPlan_SendsEachEventOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		plan Plan
		want int
	}{
		"open":   {Plan{Rate: 200, Length: 300 * time.Millisecond}, 60},
		"closed": {Plan{Connections: 5, Length: time.Minute, MaxRequests: 40}, 40},
		"burst":  {Plan{Connections: 30}, 30},
		"lines":  {Plan{Connections: 3, Body: linesBody}, 3},
		"padded": {Plan{Connections: 3, Body: paddedBody}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := newFakeReceiver(t, queued)
			test.plan.URL = target.URL + "/webhooks/chargebee"
			got := attack(t, test.plan)
			if len(got.Answers) != test.want || len(target.seen) != test.want || got.Took <= 0 {
				t.Fatalf("%d answers, %d events", len(got.Answers), len(target.seen))
			}
			answered := map[string]bool{}
			for _, answer := range got.Answers {
				if answer.Status != http.StatusOK || answer.Took <= 0 || answer.Took > 5*time.Second || answer.Problem != "" {
					t.Errorf("%+v", answer)
				}
				answered[answer.EventID] = true
			}
			for i := range test.want {
				if id := eventIDOf(3, i); !answered[id] || target.seen[id] != 1 {
					t.Errorf("event %s came %d times", id, target.seen[id])
				}
			}
		})
	}
}

// TestPlan_RefusedBeforeTheBody reads a response that is sent before the webhook was read.
func TestPlan_RefusedBeforeTheBody(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { // net/http ends the connection
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	for _, answer := range attack(t, Plan{URL: server.URL, Connections: 20, Body: paddedBody}).Answers {
		if answer.Status != http.StatusServiceUnavailable || !answer.RetryAfter || answer.Problem != "" {
			t.Errorf("%+v", answer)
		}
	}
}

// TestPlan_OpenDoesNotWait sends requests although earlier ones are not answered.
func TestPlan_OpenDoesNotWait(t *testing.T) {
	t.Parallel()
	target := newFakeReceiver(t, func(number int, w http.ResponseWriter, eventID string) {
		if number < 20 {
			<-time.After(300 * time.Millisecond)
		}
		queued(number, w, eventID)
	})
	got := attack(t, Plan{URL: target.URL, Rate: 100, Length: 400 * time.Millisecond})
	slow := 0
	var latest time.Duration
	for _, answer := range got.Answers {
		latest = max(latest, answer.Due)
		if answer.Took >= 300*time.Millisecond {
			slow++
		}
	}
	if len(got.Answers) != 40 || slow < 20 || latest != 390*time.Millisecond || got.Took > 2*time.Second {
		t.Errorf("%d answers, %d slow ones, the last due at %s, all after %s", len(got.Answers), slow, latest, got.Took)
	}
}

// TestAnswer covers answers other than success.
func TestAnswer(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer  func(w http.ResponseWriter, eventID string)
		status  int
		retry   bool
		problem string // except in an open load, which does not compare event ids
	}{
		"refused": {func(w http.ResponseWriter, _ string) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, 503, true, ""},
		"without when": {func(w http.ResponseWriter, _ string) { w.WriteHeader(http.StatusServiceUnavailable) }, 503, false, ""},
		"a date": {func(w http.ResponseWriter, _ string) {
			w.Header().Set("Retry-After", "soon")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, 503, false, ""},
		"unreadable":    {func(w http.ResponseWriter, _ string) { _, _ = w.Write([]byte("{")) }, 200, false, "invalid response"},
		"cut":           {func(http.ResponseWriter, string) { panic(http.ErrAbortHandler) }, 0, false, "EOF"},
		"for the wrong": {func(w http.ResponseWriter, _ string) { queued(0, w, "ev_other") }, 200, false, "is for event ev_other"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, plan := range []Plan{
				{Rate: 100, Length: 10 * time.Millisecond},
				{Connections: 1, Length: time.Minute, MaxRequests: 2},
			} {
				target := newFakeReceiver(t, func(_ int, w http.ResponseWriter, eventID string) { test.answer(w, eventID) })
				plan.URL = target.URL
				for _, got := range attack(t, plan).Answers {
					if got.Status != test.status || got.RetryAfter != test.retry {
						t.Errorf("%+v: %+v", plan, got)
					}
					blind := plan.Rate > 0 && got.EventID != ""
					if !blind && (!strings.Contains(got.Problem, test.problem) || (got.Problem == "") != (test.problem == "")) {
						t.Errorf("%+v: %+v", plan, got)
					}
				}
			}
		})
	}
}

// TestGenerator_Fails reports a server that cannot be reached, and a missing plan.
func TestGenerator_Fails(t *testing.T) {
	t.Parallel()
	var g generator
	err := g.Prepare(Plan{Connections: 1, URL: "http://127.0.0.1:1", Timeout: time.Second}, nil)
	if err == nil || !strings.Contains(err.Error(), "open a connection") {
		t.Error(err)
	}
	if err := g.Run(0, new(Outcome)); err == nil {
		t.Error("an attack without a plan")
	}
}
