package chargebee_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// script deals out faults to the calls of one operation, in turn.
func script(operation string, faults ...sandbox.Fault) sandbox.Faults {
	var mu sync.Mutex
	return sandbox.FaultFunc(func(called string) sandbox.Fault {
		mu.Lock()
		defer mu.Unlock()
		if called != operation || len(faults) == 0 {
			return sandbox.Fault{}
		}
		next := faults[0]
		faults = faults[1:]
		return next
	})
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		fault   sandbox.Fault
		config  chargebee.Config
		status  int // 0: no answer, or not all of it
		code    string
		applied bool // at once
		late    bool // within the hour
	}{
		{"none", sandbox.Fault{}, chargebee.Config{}, 200, "", true, true},
		{"throttled", sandbox.Fault{Kind: sandbox.Throttle}, chargebee.Config{}, 429, "lock_timeout", false, false},
		{"refused", sandbox.Fault{Kind: sandbox.Refuse}, chargebee.Config{}, 503, "internal_temporary_error", false, false},
		{"reply lost", sandbox.Fault{Kind: sandbox.LoseReply}, chargebee.Config{}, 0, "", true, true},
		{"reply lost behind a gateway", sandbox.Fault{Kind: sandbox.LoseReply}, chargebee.Config{LostReplies: []*chargebee.Error{chargebee.Page(504)}}, 504, "", true, true},
		{"reply lost to an error", sandbox.Fault{Kind: sandbox.LoseReply}, chargebee.Config{LostReplies: []*chargebee.Error{chargebee.ErrInternal}}, 500, "internal_error", true, true},
		{"applied late", sandbox.Fault{Kind: sandbox.ApplyLate, Late: time.Minute}, chargebee.Config{}, 0, "", false, true},
		{"body cut", sandbox.Fault{Kind: sandbox.CutBody}, chargebee.Config{}, 0, "", true, true},
		{"for batches only", sandbox.Fault{Kind: sandbox.Partial}, chargebee.Config{}, 200, "", true, true},
		{"for webhooks only", sandbox.Fault{Kind: sandbox.Duplicate}, chargebee.Config{}, 200, "", true, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			test.config.Faults = script("add_charge", test.fault)
			s := newSite(t, test.config)
			draft := s.renew("ada-1")
			answer, err := s.do(chargeRequest(draft.ID, "1", "k"))
			if test.status == 0 && !errors.Is(err, errCut) {
				t.Errorf("%s: error %v, answer %+v", test.name, err, answer)
			}
			if test.status != 0 && (err != nil || answer.status != test.status || answer.Code != test.code) {
				t.Errorf("%s: %d %s, %v", test.name, answer.status, answer.raw, err)
			}
			if applied := len(s.amounts(draft.ID)) == 1; applied != test.applied {
				t.Errorf("%s: applied at once: %t", test.name, applied)
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			if applied := len(s.amounts(draft.ID)) == 1; applied != test.late {
				t.Errorf("%s: applied in the end: %t", test.name, applied)
			}
		})
	}
}

// After a fault that left the outcome open, the same key brings the one effect
// to light, or makes it.
func TestRetryAfterFaults(t *testing.T) {
	t.Parallel()
	for _, kind := range []sandbox.Kind{
		sandbox.Throttle, sandbox.Refuse, sandbox.LoseReply, sandbox.ApplyLate, sandbox.CutBody,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, chargebee.Config{
				Faults: script("add_charge", sandbox.Fault{Kind: kind, Late: 5 * time.Minute}),
			})
			draft := s.renew("ada-1")
			_, _ = s.do(chargeRequest(draft.ID, "1", "k"))
			time.Sleep(time.Second)
			replayed := kind == sandbox.LoseReply || kind == sandbox.CutBody
			if answer := s.charge(draft.ID, "1", "k"); answer.status != 200 || answer.replayed != replayed {
				t.Errorf("kind %d: retry %d, replayed %t", kind, answer.status, answer.replayed)
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			if got := s.amounts(draft.ID); !slices.Equal(got, []int64{1}) {
				t.Errorf("kind %d: amounts %v", kind, got)
			}
		})
	}
}

// A late effect obeys what holds when it comes.
func TestLateEffect(t *testing.T) {
	t.Parallel()
	late := sandbox.Fault{Kind: sandbox.ApplyLate, Late: 40 * time.Minute}
	for _, test := range []struct {
		name  string
		after time.Duration // from the cut call to the retry under its key
		want  int           // charges
	}{
		{"the key is still known", 20 * time.Minute, 1},
		{"the key is forgotten", 5 * time.Minute, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, chargebee.Config{Faults: script("add_charge", late)})
			draft := s.renew("ada-1")
			if _, err := s.do(chargeRequest(draft.ID, "1", "k")); !errors.Is(err, errCut) {
				t.Fatal(err)
			}
			time.Sleep(test.after)
			s.charge(draft.ID, "1", "k")
			time.Sleep(time.Hour)
			synctest.Wait()
			if got := s.amounts(draft.ID); len(got) != test.want {
				t.Errorf("%s: amounts %v", test.name, got)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{Faults: script("add_charge", late)})
		draft := s.renew("ada-1")
		_, _ = s.do(chargeRequest(draft.ID, "1", "k"))
		closed, err := s.CloseInvoice(draft.ID)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := s.amounts(closed.ID); len(got) != 0 {
			t.Errorf("a late charge found its way to a closed invoice: %v", got)
		}
	})
}

func TestRefusalsInTurn(t *testing.T) {
	t.Parallel()
	refuse := sandbox.FaultFunc(func(string) sandbox.Fault { return sandbox.Fault{Kind: sandbox.Refuse} })
	s := newSite(t, chargebee.Config{Faults: refuse})
	var statuses []int
	for range 5 {
		answer := s.get("any", "")
		statuses = append(statuses, answer.status)
		html := answer.header.Get("Content-Type") == "text/html"
		if html != (answer.status == 502 || answer.status == 504) || html != strings.HasPrefix(answer.raw, "<html>") {
			t.Errorf("%d as %s", answer.status, answer.header.Get("Content-Type"))
		}
	}
	if !slices.Equal(statuses, []int{503, 500, 502, 504, 503}) {
		t.Errorf("statuses %v", statuses)
	}
}

// Faulted calls count for the limit, from the moment they arrive.
func TestFaultedCallsCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{
			RequestsPerMinute: 3,
			Faults: script("retrieve",
				sandbox.Fault{Kind: sandbox.Refuse}, sandbox.Fault{Kind: sandbox.LoseReply},
				sandbox.Fault{Delay: 90 * time.Second}),
		})
		start := time.Now()
		get := request{method: http.MethodGet, path: "invoices/any"}
		for range 3 {
			_, _ = s.do(get)
		}
		if took := time.Since(start); took != 90*time.Second {
			t.Errorf("a delay of 90 s took %s", took)
		}
		for range 4 {
			_, _ = s.do(get)
		}
		if s.RateLimited() != 1 {
			t.Errorf("%d rejected", s.RateLimited())
		}
		var statuses []int
		for _, call := range s.Calls() {
			statuses = append(statuses, call.Status)
		}
		if !slices.Equal(statuses, []int{503, 0, 404, 404, 404, 404, 429}) {
			t.Errorf("statuses %v", statuses)
		}
		if s.Calls()[2].At != start {
			t.Error("the delayed call did not arrive at once")
		}
	})
}
