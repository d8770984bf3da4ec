package chargebee_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// A late call that keeps its key from its arrival on is one that is worked on:
// its duplicates wait for it, or are refused, and have no second effect however
// late it comes.
func TestLateCallKeepsItsKey(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		refuse *chargebee.Error
		late   time.Duration
		retry  time.Duration // since the arrival
		status int           // of the retry
		waits  time.Duration
	}{
		{"its duplicate waits", nil, 5 * time.Minute, time.Minute, 200, 4 * time.Minute},
		{"beyond the window too", nil, 50 * time.Minute, 40 * time.Minute, 200, 10 * time.Minute},
		{"its duplicate comes after it", nil, 5 * time.Minute, 6 * time.Minute, 200, 0},
		{"a conflict", chargebee.ErrInvalidState, 5 * time.Minute, time.Minute, 409, 0},
		{"a lock", chargebee.ErrLockTimeout, 5 * time.Minute, time.Minute, 429, 0},
		{"refused no more", chargebee.ErrLockTimeout, 5 * time.Minute, 6 * time.Minute, 200, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, chargebee.Config{
				LateKeepsKey: true, ConcurrentRefusal: test.refuse,
				Faults: script("add_charge", sandbox.Fault{Kind: sandbox.ApplyLate, Late: test.late}),
			})
			draft := s.renew("ada-1")
			if _, err := s.do(chargeRequest(draft.ID, "1", "k")); !errors.Is(err, errCut) {
				t.Fatal(err)
			}
			time.Sleep(test.retry)
			began := time.Now()
			answer := s.charge(draft.ID, "1", "k")
			if answer.status != test.status || answer.replayed != (test.status == 200) || time.Since(began) != test.waits {
				t.Errorf("%s: %d after %s, replayed %t", test.name, answer.status, time.Since(began), answer.replayed)
			}
			if answer := s.charge(draft.ID, "2", "k"); test.late < 30*time.Minute && answer.status != http.StatusUnprocessableEntity {
				t.Errorf("%s: the key with another payload: %d", test.name, answer.status)
			}
			time.Sleep(2 * time.Hour)
			want := []int64{1}
			if test.late >= 30*time.Minute {
				want = []int64{1, 2} // by then the key was free
			}
			if got := s.amounts(draft.ID); !slices.Equal(got, want) {
				t.Errorf("%s: amounts %v", test.name, got)
			}
		})
	}
}

// A late effect obeys the lock of its invoice.
func TestLateEffectObeys(t *testing.T) {
	t.Parallel()
	late := sandbox.Fault{Kind: sandbox.ApplyLate, Late: time.Hour}
	for _, test := range []struct {
		name  string
		until func(s site, draft string) // what goes on when the effect is due
		want  []int64
	}{
		{"nothing", func(site, string) { time.Sleep(2 * time.Hour) }, []int64{1}},
		{"the lock", func(s site, draft string) {
			time.Sleep(time.Hour - time.Second)
			s.charge(draft, "2", "")
		}, []int64{2}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, chargebee.Config{Faults: script("add_charge", late), Latency: time.Minute})
			draft := s.renew("ada-1")
			_, _ = s.do(chargeRequest(draft.ID, "1", "k"))
			test.until(s, draft.ID)
			time.Sleep(time.Hour)
			if got := s.amounts(draft.ID); !slices.Equal(got, test.want) {
				t.Errorf("%s: amounts %v, want %v", test.name, got, test.want)
			}
		})
	}
}

// GETs meet the faults that POSTs meet; lost or late, they leave no trace.
func TestFaultsOfReads(t *testing.T) {
	t.Parallel()
	for _, kind := range []sandbox.Kind{sandbox.LoseReply, sandbox.CutBody, sandbox.ApplyLate, sandbox.EffectThenError} {
		synctest.Test(t, func(t *testing.T) {
			fault := sandbox.Fault{Kind: kind, Late: time.Minute}
			s := newSite(t, chargebee.Config{Faults: sandbox.FaultFunc(func(string) sandbox.Fault { return fault })})
			draft := s.renew("ada-1")
			for _, path := range []string{"invoices/" + draft.ID, "invoices"} {
				answer, err := s.do(request{method: http.MethodGet, path: path})
				if kind == sandbox.EffectThenError {
					if err != nil || answer.status != 500 || answer.Code != "internal_error" {
						t.Errorf("kind %d: %s: %d, %v", kind, path, answer.status, err)
					}
				} else if !errors.Is(err, errCut) {
					t.Errorf("kind %d: %s: %d, %v", kind, path, answer.status, err)
				}
			}
			time.Sleep(time.Hour)
			if after, _ := s.Invoice(draft.ID); after.ResourceVersion != draft.ResourceVersion {
				t.Errorf("kind %d: a read changed the invoice", kind)
			}
			for _, call := range s.Calls() {
				if want := map[sandbox.Kind]int{sandbox.CutBody: 200, sandbox.EffectThenError: 500}[kind]; call.Status != want {
					t.Errorf("kind %d: %s is logged with %d", kind, call.Operation, call.Status)
				}
			}
		})
	}
}

// An effect whose answer is the service's own error is there.
func TestEffectThenError(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{Faults: script("add_charge", sandbox.Fault{Kind: sandbox.EffectThenError})})
	draft := s.renew("ada-1")
	if answer := s.charge(draft.ID, "1", "k"); answer.status != 500 || answer.Code != "internal_error" {
		t.Errorf("%d %s", answer.status, answer.raw)
	}
	if answer := s.charge(draft.ID, "1", "k"); answer.status != 200 || !answer.replayed || len(s.amounts(draft.ID)) != 1 {
		t.Errorf("again: %d, replayed %t", answer.status, answer.replayed)
	}
}

// A webhook that arrives late has failed for Chargebee, which sends it again.
func TestLateWebhook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{
			Faults: script("webhook", sandbox.Fault{Kind: sandbox.ApplyLate, Late: 30 * time.Minute}),
		})
		start := time.Now()
		s.renew("ada-1")
		receiver := &endpoint{}
		s.deliver(receiver, chargebee.Endpoint{}, time.Hour)
		received := receiver.all()
		if len(received) != 2 || received[0].at.Sub(start) != 2*time.Minute || received[1].at.Sub(start) != 30*time.Minute {
			t.Errorf("received %+v", received)
		}
		event := s.Events()[0]
		if event.Status != chargebee.WebhookSucceeded || len(event.Attempts) != 2 || event.Attempts[0].Status != 0 || event.Attempts[1].Status != 200 {
			t.Errorf("event %+v", event)
		}
	})
	synctest.Test(t, func(t *testing.T) { // the end comes before the webhook
		s := newSite(t, chargebee.Config{
			Faults: script("webhook", sandbox.Fault{Kind: sandbox.ApplyLate, Late: 30 * time.Hour}),
		})
		s.renew("ada-1")
		receiver := &endpoint{}
		s.deliver(receiver, chargebee.Endpoint{}, time.Hour)
		if len(receiver.all()) != 1 {
			t.Errorf("%d requests", len(receiver.all()))
		}
	})
}

// A duplicate of a webhook comes as much later as its fault demands.
func TestLateDuplicateWebhook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{
			Faults: script("webhook", sandbox.Fault{Kind: sandbox.Duplicate, Late: 4 * time.Hour}),
		})
		s.renew("ada-1")
		receiver := &endpoint{}
		s.deliver(receiver, chargebee.Endpoint{}, 5*time.Hour)
		if got := receiver.delays(); !slices.Equal(got, []time.Duration{4 * time.Hour}) {
			t.Errorf("delays %v", got)
		}
	})
}
