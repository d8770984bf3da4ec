package chargebee_test

import (
	"context"
	"encoding/base64"
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

func TestIdempotency(t *testing.T) {
	t.Parallel()
	type step struct {
		after  time.Duration // since the step before
		amount string
		key    string
		status int
		replay bool
	}
	for _, test := range []struct {
		name   string
		config chargebee.Config
		steps  []step
		want   []int64 // amounts on the invoice afterwards
	}{
		{"no key", chargebee.Config{}, []step{
			{0, "1", "", 200, false}, {0, "1", "", 200, false},
		}, []int64{1, 1}},
		{"replay within the window", chargebee.Config{}, []step{
			{0, "1", "k", 200, false}, {30*time.Minute - 1, "1", "k", 200, true},
		}, []int64{1}},
		{"forgotten after the window", chargebee.Config{}, []step{
			{0, "1", "k", 200, false}, {30 * time.Minute, "1", "k", 200, false},
		}, []int64{1, 1}},
		{"a replay does not extend the window", chargebee.Config{}, []step{
			{0, "1", "k", 200, false}, {20 * time.Minute, "1", "k", 200, true}, {10 * time.Minute, "1", "k", 200, false},
		}, []int64{1, 1}},
		{"a window of its own", chargebee.Config{IdempotencyWindow: time.Minute}, []step{
			{0, "1", "k", 200, false}, {time.Minute, "1", "k", 200, false},
		}, []int64{1, 1}},
		{"other bytes", chargebee.Config{}, []step{
			{0, "1", "k", 200, false}, {0, "2", "k", 422, false}, {0, "1", "k", 200, true},
		}, []int64{1}},
		{"other bytes after the window", chargebee.Config{}, []step{
			{0, "1", "k", 200, false}, {30 * time.Minute, "2", "k", 200, false},
		}, []int64{1, 2}},
		{"an error is not kept", chargebee.Config{}, []step{
			{0, "0", "k", 400, false}, {0, "1", "k", 200, false}, {0, "1", "k", 200, true},
		}, []int64{1}},
		{"an error that was not kept takes no later answer along", chargebee.Config{}, []step{
			{0, "0", "k", 400, false}, {10 * time.Minute, "1", "k", 200, false}, {20 * time.Minute, "1", "k", 200, true},
		}, []int64{1}},
		{"an error is kept by a site that does so", chargebee.Config{StoreErrors: true}, []step{
			{0, "0", "k", 400, false}, {0, "0", "k", 400, true}, {0, "1", "k", 422, false},
			{30 * time.Minute, "1", "k", 200, false},
		}, []int64{1}},
		{"100 characters", chargebee.Config{}, []step{
			{0, "1", strings.Repeat("k", 100), 200, false}, {0, "1", strings.Repeat("k", 100), 200, true},
		}, []int64{1}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, test.config)
			draft := s.renew("ada-1")
			var first response
			for i, step := range test.steps {
				time.Sleep(step.after)
				answer := s.charge(draft.ID, step.amount, step.key)
				if answer.status != step.status || answer.replayed != step.replay {
					t.Errorf("%s, step %d: %d, replayed %t: %s", test.name, i+1, answer.status, answer.replayed, answer.raw)
				}
				if i == 0 {
					first = answer
				}
				if answer.replayed && answer.status == first.status && answer.raw != first.raw {
					t.Errorf("%s, step %d: replayed %s\nfor %s", test.name, i+1, answer.raw, first.raw)
				}
			}
			if got := s.amounts(draft.ID); !slices.Equal(got, test.want) {
				t.Errorf("%s: amounts %v, want %v", test.name, got, test.want)
			}
		})
	}
}

// A key belongs to the site: elsewhere it is refused, whatever the bytes.
func TestKeyOfAnotherPath(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{})
	one, other := s.renew("ada-1"), s.renew("ada-1")
	s.charge(one.ID, "1", "k")
	if answer := s.charge(other.ID, "1", "k"); answer.status != http.StatusUnprocessableEntity {
		t.Errorf("on another invoice: %d", answer.status)
	}
	if answer := s.must(request{path: "invoices/" + one.ID + "/close", key: "k"}); answer.status != http.StatusUnprocessableEntity {
		t.Errorf("for another action: %d", answer.status)
	}
}

// TestIdempotency_PerAPIKey: with another API key an idempotency key is another one.
func TestIdempotency_PerAPIKey(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{KeysPerAPIKey: true})
	draft := s.renew("ada-1")
	for _, key := range []string{"one", "one", "other"} {
		r := chargeRequest(draft.ID, "1", "k")
		r.header = http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(key))}}
		s.must(r)
	}
	if got := s.amounts(draft.ID); len(got) != 2 {
		t.Errorf("amounts %v, want one for each API key", got)
	}
}

// A close is replayed under its key although the draft no longer exists; without the key
// it is not.
func TestReplayedClose(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{})
	draft := s.renew("ada-1")
	path := "invoices/" + draft.ID + "/close"
	first := s.must(request{path: path, key: "close"})
	again := s.must(request{path: path, key: "close"})
	if !again.replayed || again.raw != first.raw || again.Invoice.ID != "1" {
		t.Errorf("replay: %s", again.raw)
	}
	if answer := s.must(request{path: path}); answer.status != http.StatusNotFound {
		t.Errorf("without the key: %d", answer.status)
	}
}

// The header of the Go SDK's own is not documented, and not looked at.
func TestForeignKeyHeader(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{})
	draft := s.renew("ada-1")
	for range 2 {
		r := chargeRequest(draft.ID, "1", "")
		r.header = http.Header{"X-Cb-Idempotency-Key": {"k"}}
		s.must(r)
	}
	if got := s.amounts(draft.ID); len(got) != 2 {
		t.Errorf("amounts %v", got)
	}
}

// Simultaneous calls under one key have one effect, and all get its answer.
func TestConcurrentDuplicates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{Latency: time.Second})
		draft := s.renew("ada-1")
		start := time.Now()
		answers := make([]response, 3)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() { answers[i] = s.charge(draft.ID, "1", "k") })
		}
		all.Wait()
		if took := time.Since(start); took != time.Second {
			t.Errorf("the duplicates took %s", took)
		}
		replays := 0
		for _, answer := range answers {
			if answer.status != http.StatusOK || answer.raw != answers[0].raw {
				t.Errorf("a duplicate got %d %s", answer.status, answer.raw)
			}
			if answer.replayed {
				replays++
			}
		}
		if replays != 2 || len(s.amounts(draft.ID)) != 1 {
			t.Errorf("%d replays, amounts %v", replays, s.amounts(draft.ID))
		}
	})
}

// A concurrent duplicate of a call that fails gets the failure; a later call is executed again.
func TestConcurrentDuplicateOfAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{Latency: time.Second})
		draft := s.renew("ada-2") // without a line it cannot be closed
		path := "invoices/" + draft.ID + "/close"
		answers := make([]response, 2)
		var both sync.WaitGroup
		for i := range answers {
			both.Go(func() { answers[i] = s.must(request{path: path, key: "k"}) })
		}
		both.Wait()
		if answers[0].status != 400 || answers[1].status != 400 || answers[0].replayed == answers[1].replayed {
			t.Errorf("duplicates got %+v", answers)
		}
		if _, err := s.AddLine(draft.ID, chargebee.LineItem{Amount: 1}); err != nil {
			t.Fatal(err)
		}
		if answer := s.must(request{path: path, key: "k"}); answer.status != 200 || answer.replayed {
			t.Errorf("later: %d %s", answer.status, answer.raw)
		}
	})
}

// A concurrent duplicate that is cancelled leaves no goroutine behind, and the first one continues.
func TestConcurrentDuplicateGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{Latency: time.Minute})
		draft := s.renew("ada-1")
		var first sync.WaitGroup
		first.Go(func() { s.charge(draft.ID, "1", "k") })
		synctest.Wait()

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		duplicate, err := http.NewRequestWithContext(ctx, http.MethodPost,
			"http://site.chargebee.com/api/v2/invoices/"+draft.ID+"/add_charge", strings.NewReader("amount=1&description=usage"))
		if err != nil {
			t.Fatal(err)
		}
		duplicate.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(apiKey)))
		duplicate.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		duplicate.Header.Set("chargebee-idempotency-key", "k")
		response, err := sandbox.Transport{Handler: s.Service}.RoundTrip(duplicate)
		if err == nil {
			_ = response.Body.Close()
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the duplicate got %v", err)
		}
		synctest.Wait()
		if calls := s.Calls(); calls[1].Status != 0 {
			t.Errorf("the duplicate was answered %d", calls[1].Status)
		}
		first.Wait()
		if got := s.amounts(draft.ID); len(got) != 1 {
			t.Errorf("amounts %v", got)
		}
	})
}

// A call that is worked on for longer than the window still lets its duplicate wait,
// and holds up no other key's end.
func TestSlowCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{Latency: time.Hour, IdempotencyWindow: time.Minute})
		slow, fast := s.renew("ada-1"), s.renew("ada-1")
		var all sync.WaitGroup
		all.Go(func() { s.charge(slow.ID, "1", "slow") })
		time.Sleep(30 * time.Minute)
		all.Go(func() {
			if duplicate := s.charge(slow.ID, "1", "slow"); !duplicate.replayed {
				t.Errorf("the duplicate got %d %s", duplicate.status, duplicate.raw)
			}
		})
		for i := range 2 {
			if answer := s.charge(fast.ID, "1", "fast"); answer.status != 200 || answer.replayed {
				t.Errorf("call %d: %d, replayed %t", i+1, answer.status, answer.replayed)
			}
		}
		all.Wait()
		if len(s.amounts(slow.ID)) != 1 || len(s.amounts(fast.ID)) != 2 {
			t.Errorf("amounts %v and %v", s.amounts(slow.ID), s.amounts(fast.ID))
		}
	})
}

// A site that stores errors replays the refusal of a close under its key after
// the cause is gone; a new key closes.
func TestStoredRefusalOfClose(t *testing.T) {
	t.Parallel()
	refusedPayment := true
	for _, test := range []struct {
		name   string
		config chargebee.Config
		draft  []string
		repair func(site, string)
		status int
		code   string
	}{
		{
			name: "no lines", draft: []string{"ada-2"}, status: http.StatusBadRequest, code: "invalid_request",
			repair: func(s site, id string) { s.charge(id, "1", "") },
		},
		{
			name: "refused payment", draft: []string{"ada-1"}, status: http.StatusBadRequest, code: "payment_processing_failed",
			config: chargebee.Config{Collect: func(chargebee.Invoice) chargebee.Collection {
				if refusedPayment {
					return chargebee.CollectRefused
				}
				return chargebee.CollectAsConfigured
			}},
			repair: func(site, string) { refusedPayment = false },
		},
		{
			name: "wrong state", draft: []string{"ada-1"}, status: http.StatusConflict, code: "invalid_state_for_request",
			config: chargebee.Config{
				Faults:   script("close", sandbox.Fault{Kind: sandbox.Refuse}),
				Refusals: []*chargebee.Error{chargebee.ErrInvalidState},
			},
			repair: func(site, string) {},
		},
	} {
		test.config.StoreErrors = true
		s := newSite(t, test.config)
		draft := s.renew(test.draft...)
		path := "invoices/" + draft.ID + "/close"
		first := s.must(request{path: path, key: "k"})
		if first.status != test.status || first.Code != test.code || first.replayed {
			t.Errorf("%s: %d %s", test.name, first.status, first.raw)
		}
		test.repair(s, draft.ID)
		again := s.must(request{path: path, key: "k"})
		if again.status != test.status || again.raw != first.raw || !again.replayed {
			t.Errorf("%s, same key: %d, replayed %t: %s", test.name, again.status, again.replayed, again.raw)
		}
		closed := s.must(request{path: path, key: "new"})
		if closed.status != http.StatusOK || closed.replayed || closed.Invoice.ID != "1" {
			t.Errorf("%s, new key: %d %s", test.name, closed.status, closed.raw)
		}
	}
}
