package chargebee_test

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

func TestRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{RequestsPerMinute: 10})
		draft := s.renew("ada-1")
		// One request every 6 s is 10 in any 60 s, for ever.
		for i := range 30 {
			if answer := s.get(draft.ID, ""); answer.status != http.StatusOK {
				t.Fatalf("request %d: %d", i+1, answer.status)
			}
			time.Sleep(6 * time.Second)
		}
		if most := chargebee.Busiest(s.Calls(), time.Minute); most != 10 {
			t.Errorf("%d requests in the busiest minute", most)
		}

		// The next two come within 6 s: the second one is too many.
		s.get(draft.ID, "")
		time.Sleep(time.Second)
		blocked := s.charge(draft.ID, "1", "")
		const body = `{"message":"Sorry, access has been blocked temporarily due to request count exceeding acceptable limits. ` +
			`Please try after some time","type":"operation_failed","api_error_code":"api_request_limit_exceeded",` +
			`"error_code":"api_request_limit_exceeded","http_status_code":429}`
		if blocked.status != http.StatusTooManyRequests || blocked.raw != body || blocked.header.Get("Retry-After") != "60" {
			t.Errorf("crossing: %d %s %v", blocked.status, blocked.raw, blocked.header)
		}

		// All clients are blocked for a minute, and the response has the remaining time.
		time.Sleep(20*time.Second + time.Millisecond)
		if again := s.get(draft.ID, ""); again.status != 429 || again.header.Get("Retry-After") != "40" {
			t.Errorf("while blocked: %d, Retry-After %s", again.status, again.header.Get("Retry-After"))
		}
		time.Sleep(40*time.Second - time.Millisecond)
		if after := s.get(draft.ID, ""); after.status != http.StatusOK {
			t.Errorf("after a minute: %d", after.status)
		}
		if s.RateLimited() != 2 || len(s.amounts(draft.ID)) != 0 {
			t.Errorf("%d rejections, amounts %v", s.RateLimited(), s.amounts(draft.ID))
		}
	})
}

// Rejected calls count: a client that continues to call is blocked again at once.
func TestRejectedCallsCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{RequestsPerMinute: 5, BlockFor: 30 * time.Second})
		draft := s.renew("ada-1")
		var waits []string
		for range 12 {
			waits = append(waits, s.get(draft.ID, "").header.Get("Retry-After"))
			time.Sleep(5 * time.Second)
		}
		if want := []string{"", "", "", "", "", "30", "25", "20", "15", "10", "5", "30"}; !slices.Equal(waits, want) {
			t.Errorf("Retry-After %q", waits)
		}
		statuses := map[int]int{}
		for _, call := range s.Calls() {
			statuses[call.Status]++
		}
		if statuses[200] != 5 || statuses[429] != 7 {
			t.Errorf("statuses %v", statuses)
		}
		time.Sleep(time.Minute)
		if answer := s.get(draft.ID, ""); answer.status != http.StatusOK {
			t.Errorf("after a minute of silence: %d", answer.status)
		}
	})
}

// Requests without a valid key do not count, and wrong ones do.
func TestWhatCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{RequestsPerMinute: 2})
		stranger := request{path: "invoices/x/close", header: http.Header{"Authorization": {"Basic eA=="}}}
		for range 5 {
			s.must(stranger)
		}
		s.must(request{path: "nowhere"})
		s.must(request{path: "invoices/none/close"})
		if s.RateLimited() != 0 {
			t.Error("strangers are counted")
		}
		if answer := s.get("none", ""); answer.status != 429 {
			t.Errorf("third request: %d", answer.status)
		}
		if most := chargebee.Busiest(s.Calls(), time.Minute); most != 3 {
			t.Errorf("%d requests in the busiest minute", most)
		}
	})
}

func TestConcurrencyLimits(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name        string
		config      chargebee.Config
		gets, posts int // sent at once
		rejected    int
	}{
		{"all", chargebee.Config{MaxConcurrent: 4}, 2, 2, 0},
		{"all crossed", chargebee.Config{MaxConcurrent: 4}, 3, 2, 1},
		{"GET", chargebee.Config{MaxConcurrentGET: 2}, 2, 5, 0},
		{"GET crossed", chargebee.Config{MaxConcurrentGET: 2}, 3, 0, 1},
		{"POST", chargebee.Config{MaxConcurrentPOST: 2}, 5, 2, 0},
		{"POST crossed", chargebee.Config{MaxConcurrentPOST: 2}, 0, 3, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			test.config.Latency = time.Second
			s := newSite(t, test.config)
			var sent sync.WaitGroup
			for range test.gets {
				draft := s.renew("ada-1")
				sent.Go(func() { s.get(draft.ID, "") })
			}
			for range test.posts {
				draft := s.renew("ada-1")
				sent.Go(func() { s.charge(draft.ID, "1", "") })
			}
			sent.Wait()
			if s.RateLimited() != test.rejected {
				t.Errorf("%s: %d rejected", test.name, s.RateLimited())
			}
			// The block of a crossed limit is for everybody, and ends.
			after := s.get(s.renew("ada-1").ID, "")
			if (after.status == 429) != (test.rejected > 0) {
				t.Errorf("%s: afterwards %d", test.name, after.status)
			}
			time.Sleep(time.Minute)
			if after := s.get(s.renew("ada-1").ID, ""); after.status != 200 {
				t.Errorf("%s: a minute later %d", test.name, after.status)
			}
		})
	}
}

func TestLockTimeout(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		wait time.Duration
		ok   int // of three simultaneous charges
	}{
		{"at once", 0, 1},
		{"too short", time.Second - 1, 1},
		{"for one", 1500 * time.Millisecond, 2},
		{"for all", 3 * time.Second, 3},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, chargebee.Config{Latency: time.Second, LockWait: test.wait})
			draft, other := s.renew("ada-1"), s.renew("ada-1")
			var sent sync.WaitGroup
			var mu sync.Mutex
			ok := 0
			for amount := range 3 {
				sent.Go(func() {
					answer := s.charge(draft.ID, strconv.Itoa(amount+1), "")
					mu.Lock()
					defer mu.Unlock()
					switch {
					case answer.status == http.StatusOK:
						ok++
					case answer.status != 429 || answer.Code != "lock_timeout" || answer.header.Get("Retry-After") != "":
						t.Errorf("%s: %d %s", test.name, answer.status, answer.raw)
					}
				})
			}
			sent.Go(func() { // neither a read nor another invoice has to wait
				if s.get(draft.ID, "").status != 200 || s.charge(other.ID, "1", "").status != 200 {
					t.Errorf("%s: a bystander was locked out", test.name)
				}
			})
			sent.Wait()
			if ok != test.ok || len(s.amounts(draft.ID)) != test.ok || s.RateLimited() != 0 {
				t.Errorf("%s: %d succeeded, amounts %v", test.name, ok, s.amounts(draft.ID))
			}
		})
	}
}

// A charge that waits for the lock while the invoice is closed finds it gone.
func TestLockOfAClosedDraft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{Latency: time.Second, LockWait: time.Minute})
		draft := s.renew("ada-1")
		var both sync.WaitGroup
		both.Go(func() { s.must(request{path: "invoices/" + draft.ID + "/close"}) })
		synctest.Wait()
		both.Go(func() {
			if answer := s.charge(draft.ID, "1", ""); answer.status != http.StatusNotFound {
				t.Errorf("charge after the close: %d", answer.status)
			}
		})
		both.Wait()
	})
}
