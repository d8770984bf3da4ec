package chargebee_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chargebee/chargebee-go/v3/models/event"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// endpoint is a receiver of webhooks.
type endpoint struct {
	answer func(attempt int) int // HTTP status, by the attempt of an event; 0 cuts the connection

	takes time.Duration

	mu       sync.Mutex
	received []received
	attempts map[string]int
	running  int
	most     int // requests at once
}

type received struct {
	request *http.Request
	body    string
	at      time.Time
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var sent struct{ ID string }
	_ = json.Unmarshal(body, &sent)

	e.mu.Lock()
	if e.attempts == nil {
		e.attempts = map[string]int{}
	}
	e.attempts[sent.ID]++
	attempt := e.attempts[sent.ID]
	e.received = append(e.received, received{r, string(body), time.Now()})
	e.running++
	e.most = max(e.most, e.running)
	e.mu.Unlock()

	if e.takes > 0 {
		time.Sleep(e.takes)
	}
	e.mu.Lock()
	e.running--
	e.mu.Unlock()
	status := http.StatusOK
	if e.answer != nil {
		status = e.answer(attempt)
	}
	if status == 0 {
		panic(http.ErrAbortHandler)
	}
	if status/100 == 3 {
		w.Header().Set("Location", "http://receiver/elsewhere")
	}
	w.WriteHeader(status)
}

// delays returns the times between the requests.
func (e *endpoint) delays() []time.Duration {
	var delays []time.Duration
	all := e.all()
	for i := 1; i < len(all); i++ {
		delays = append(delays, all[i].at.Sub(all[i-1].at))
	}
	return delays
}

func (e *endpoint) all() []received {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.received)
}

// deliver runs the deliverer against the endpoint for a time.
func (s site) deliver(to *endpoint, settings chargebee.Endpoint, duration time.Duration) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), duration)
	defer cancel()
	settings.URL = "http://receiver/webhooks/chargebee"
	settings.Username, settings.Password = "chargebee", "secret"
	settings.Client = &http.Client{Transport: sandbox.Transport{Handler: to}}
	if err := s.Deliver(ctx, settings); err != nil {
		s.t.Fatal(err)
	}
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{})
		draft, announced, err := s.Renew(chargebee.Renewal{SubscriptionIDs: []string{"ada-1"}})
		if err != nil {
			t.Fatal(err)
		}
		payload := s.Payload(announced.ID)
		receiver := &endpoint{}
		s.deliver(receiver, chargebee.Endpoint{}, time.Minute)
		if len(receiver.all()) != 1 {
			t.Fatalf("%d requests", len(receiver.all()))
		}

		sent, body := receiver.all()[0].request, receiver.all()[0].body
		username, password, ok := sent.BasicAuth()
		if !ok || username != "chargebee" || password != "secret" || sent.Method != http.MethodPost ||
			sent.URL.Path != "/webhooks/chargebee" || sent.Header.Get("Content-Type") != "application/json" {
			t.Errorf("request %s %s %v", sent.Method, sent.URL, sent.Header)
		}
		if string(payload) != body {
			t.Errorf("payload %s\nsent %s", payload, body)
		}
		if strings.Contains(body, `"webhooks"`) {
			t.Error("the first delivery tells of others")
		}
		if strings.Index(body, `"event_type":`) < strings.Index(body, `"content":`) {
			t.Error("event_type comes before content")
		}

		var envelope event.Event
		if err := json.Unmarshal([]byte(body), &envelope); err != nil {
			t.Fatal(err)
		}
		if envelope.Id != announced.ID || !strings.HasPrefix(envelope.Id, "ev_") || envelope.Object != "event" ||
			envelope.EventType != chargebee.EventPendingInvoiceCreated || envelope.ApiVersion != "v2" ||
			envelope.Source != "scheduled_job" || envelope.WebhookStatus != "scheduled" ||
			envelope.OccurredAt != announced.OccurredAt.Unix() {
			t.Errorf("envelope %+v", envelope)
		}
		var content struct{ Invoice chargebee.Invoice }
		if err := json.Unmarshal(envelope.Content, &content); err != nil {
			t.Fatal(err)
		}
		if got := content.Invoice; !strings.HasPrefix(got.ID, "draft_inv_") || got.ID != draft.ID || got.Status != "pending" ||
			got.Total != 1000 || !slices.Equal(got.LineItems, draft.LineItems) {
			t.Errorf("content %s", envelope.Content)
		}
		if all := s.Events(); len(all) != 1 || all[0].Status != chargebee.WebhookSucceeded ||
			len(all[0].Attempts) != 1 || all[0].Attempts[0].Status != 200 || all[0].InvoiceID != draft.ID {
			t.Errorf("events %+v", all)
		}
	})
}

func TestWebhookRetries(t *testing.T) {
	t.Parallel()
	schedule := []time.Duration{
		2 * time.Minute, 6 * time.Minute, 30 * time.Minute, time.Hour, 5 * time.Hour, 24 * time.Hour, 48 * time.Hour,
	}
	okAt := func(attempt, failure int) func(int) int {
		return func(n int) int {
			if n >= attempt {
				return http.StatusNoContent
			}
			return failure
		}
	}
	for _, test := range []struct {
		name   string
		answer func(int) int
		takes  time.Duration
		delays int // how many of the schedule
		status string
	}{
		{"any 2xx", okAt(1, 0), 0, 0, chargebee.WebhookSucceeded},
		{"503 once", okAt(2, 503), 0, 1, chargebee.WebhookSucceeded},
		{"cut three times", okAt(4, 0), 0, 3, chargebee.WebhookSucceeded},
		{"a redirect is a failure", okAt(2, 302), 0, 1, chargebee.WebhookSucceeded},
		{"the last attempt", okAt(8, 401), 0, 7, chargebee.WebhookSucceeded},
		{"never", okAt(9, 500), 0, 7, chargebee.WebhookFailed},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, chargebee.Config{})
			s.renew("ada-1")
			receiver := &endpoint{answer: test.answer}
			s.deliver(receiver, chargebee.Endpoint{}, 30*24*time.Hour)
			if got := receiver.delays(); !slices.Equal(got, schedule[:test.delays]) {
				t.Errorf("%s: delays %v", test.name, got)
			}
			if all := s.Events(); all[0].Status != test.status || len(all[0].Attempts) != test.delays+1 {
				t.Errorf("%s: event %+v", test.name, all[0])
			}
			for i, retry := range receiver.all()[1:] {
				if !strings.Contains(retry.body, `"webhooks":[{"id":"whv2_`) ||
					!strings.Contains(retry.body, `"webhook_status":"re_scheduled"`) {
					t.Errorf("%s: retry %d: %s", test.name, i+1, retry.body)
				}
			}
		})
	}
}

func TestWebhookTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{})
		s.renew("ada-1")
		receiver := &endpoint{takes: 21 * time.Second}
		s.deliver(receiver, chargebee.Endpoint{RetryScale: 0.1}, 3*time.Minute)
		attempts := s.Events()[0].Attempts
		want := []time.Duration{20*time.Second + 12*time.Second, 20*time.Second + 36*time.Second}
		if len(attempts) != 3 || !slices.Equal(receiver.delays(), want) {
			t.Errorf("delays %v, attempts %+v", receiver.delays(), attempts)
		}
		if attempts[0].Status != 0 || !strings.Contains(attempts[0].Problem, context.DeadlineExceeded.Error()) {
			t.Errorf("attempt %+v", attempts[0])
		}
		time.Sleep(time.Minute) // the slow endpoint comes to its end
	})
}

func TestWebhookFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		fault  sandbox.Fault
		delays []time.Duration
	}{
		{"sent twice", sandbox.Fault{Kind: sandbox.Duplicate}, []time.Duration{0}},
		{"answer lost", sandbox.Fault{Kind: sandbox.LoseReply}, []time.Duration{2 * time.Minute}},
		{"not for webhooks", sandbox.Fault{Kind: sandbox.Throttle}, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, chargebee.Config{Faults: script("webhook", test.fault)})
			s.renew("ada-1")
			receiver := &endpoint{}
			s.deliver(receiver, chargebee.Endpoint{}, 24*time.Hour)
			if got := receiver.delays(); !slices.Equal(got, test.delays) {
				t.Errorf("%s: delays %v", test.name, got)
			}
			if got := s.Events()[0].Status; got != chargebee.WebhookSucceeded {
				t.Errorf("%s: event %s", test.name, got)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{Faults: script("webhook", sandbox.Fault{Delay: time.Minute})})
		s.renew("ada-1")
		start := time.Now()
		receiver := &endpoint{}
		s.deliver(receiver, chargebee.Endpoint{}, time.Hour)
		if all := receiver.all(); len(all) != 1 || all[0].at.Sub(start) != time.Minute {
			t.Errorf("received %+v", all)
		}
	})
}

func TestResend(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{})
		_, announced, err := s.Renew(chargebee.Renewal{SubscriptionIDs: []string{"ada-1"}})
		if err != nil {
			t.Fatal(err)
		}
		receiver := &endpoint{answer: func(attempt int) int {
			return map[bool]int{true: 500, false: 200}[attempt == 1 || attempt == 3]
		}}
		s.deliver(receiver, chargebee.Endpoint{}, time.Minute) // fails
		if err := s.Resend(announced.ID); err != nil {
			t.Fatal(err)
		}
		s.deliver(receiver, chargebee.Endpoint{}, time.Hour) // succeeds, so that no retry is needed
		if got := s.Events()[0].Status; len(receiver.all()) != 2 || got != chargebee.WebhookSucceeded {
			t.Errorf("%d requests, event %s", len(receiver.all()), got)
		}
		if err := s.Resend(announced.ID); err != nil {
			t.Fatal(err)
		}
		s.deliver(receiver, chargebee.Endpoint{}, 24*time.Hour) // fails, which changes nothing
		if got := s.Events()[0].Status; len(receiver.all()) != 3 || got != chargebee.WebhookSucceeded {
			t.Errorf("%d requests, event %s", len(receiver.all()), got)
		}
		wantRefusal(t, s.Resend("ev_none"), "resource_not_found")
	})
}

// A resend that fails leaves the schedule as it is.
func TestFailedResend(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{})
		_, announced, err := s.Renew(chargebee.Renewal{SubscriptionIDs: []string{"ada-1"}})
		if err != nil {
			t.Fatal(err)
		}
		receiver := &endpoint{answer: func(int) int { return 500 }}
		s.deliver(receiver, chargebee.Endpoint{}, time.Minute)
		if err := s.Resend(announced.ID); err != nil {
			t.Fatal(err)
		}
		s.deliver(receiver, chargebee.Endpoint{}, time.Hour)
		want := []time.Duration{time.Minute, time.Minute, 6 * time.Minute, 30 * time.Minute}
		if got := receiver.delays(); !slices.Equal(got, want) {
			t.Errorf("delays %v", got)
		}
	})
}

// Renewals come in a burst, as many at once as there are threads.
func TestWebhookBurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{})
		start := time.Now()
		for range 60 {
			s.renew("ada-1")
		}
		receiver := &endpoint{takes: time.Second, answer: func(attempt int) int { return 500 - 300*min(attempt-1, 1) }}
		s.deliver(receiver, chargebee.Endpoint{Concurrency: 20}, time.Hour)
		last := receiver.all()[59].at.Sub(start)
		if receiver.most != 20 || last != 2*time.Second {
			t.Errorf("%d at once, the last after %s", receiver.most, last)
		}
		counted := s.Deliveries()
		if !maps.Equal(counted.Events, map[string]int{chargebee.WebhookSucceeded: 60}) ||
			!maps.Equal(counted.Attempts, map[int]int{500: 60, 200: 60}) || counted.Pending != 0 {
			t.Errorf("deliveries %+v", counted)
		}
	})
}

// Deliver ends with its context, amid a delivery too; what it leaves is sent
// by the next one.
func TestDeliverStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{})
		s.renew("ada-1")
		start := time.Now()
		slow := &endpoint{takes: 10 * time.Second}
		s.deliver(slow, chargebee.Endpoint{}, time.Second)
		if took := time.Since(start); took != time.Second {
			t.Errorf("stopping took until %s", took)
		}
		if got := s.Events()[0]; got.Status != chargebee.WebhookScheduled || len(got.Attempts) != 0 {
			t.Errorf("event %+v", got)
		}
		time.Sleep(time.Minute) // the slow endpoint comes to its end
		s.deliver(&endpoint{}, chargebee.Endpoint{}, time.Second)
		if got := s.Events()[0]; got.Status != chargebee.WebhookSucceeded {
			t.Errorf("event %+v", got)
		}

		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("over"))
		if err := s.Deliver(ctx, chargebee.Endpoint{URL: "http://receiver/"}); err != nil {
			t.Errorf("with an ended context: %v", err)
		}
		if err := s.Deliver(t.Context(), chargebee.Endpoint{URL: "receiver"}); err == nil {
			t.Error("no error for a relative URL")
		}
	})
}

// A renewal while the deliverer is idle is sent at once.
func TestDeliverWakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{})
		s.renew("ada-1")
		receiver := &endpoint{answer: func(int) int { return 500 }}
		var delivering sync.WaitGroup
		delivering.Go(func() { s.deliver(receiver, chargebee.Endpoint{}, 100*time.Second) })
		time.Sleep(90 * time.Second)
		s.renew("ada-1")
		delivering.Wait()
		if got := receiver.delays(); !slices.Equal(got, []time.Duration{90 * time.Second}) {
			t.Errorf("delays %v", got)
		}
	})
}

// Other events are sent to an endpoint that has them enabled, unless the caller
// whose doing they are wants none.
func TestOtherEvents(t *testing.T) {
	t.Parallel()
	all := []string{
		chargebee.EventPendingInvoiceCreated, chargebee.EventPendingInvoiceUpdated,
		chargebee.EventInvoiceGenerated, chargebee.EventInvoiceDeleted,
	}
	for _, test := range []struct {
		name    string
		enabled []string
		want    []string
	}{
		{"by default", nil, []string{"pending_invoice_created"}},
		{"all", all, []string{"pending_invoice_created", "pending_invoice_updated", "invoice_generated", "invoice_deleted"}},
	} {
		s := newSite(t, chargebee.Config{Events: test.enabled})
		draft := s.renew("ada-1")
		s.must(chargeRequest(draft.ID, "1", ""))
		closed := s.must(request{path: "invoices/" + draft.ID + "/close"}).Invoice
		if err := s.DeleteInvoice(closed.ID); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, event := range s.Events() {
			got = append(got, event.Type)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: events %v", test.name, got)
		}
	}
}

// An endpoint for other events does not get the renewals, which are
// events nevertheless.
func TestRenewalNotEnabled(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{Events: []string{chargebee.EventInvoiceGenerated}})
	s.renew("ada-1")
	if got := s.Events(); len(got) != 1 || got[0].Status != chargebee.WebhookNotConfigured || s.Deliveries().Pending != 0 {
		t.Errorf("events %+v", got)
	}
	if s.Payload("ev_none") != nil {
		t.Error("an event that is not there has a payload")
	}
}
