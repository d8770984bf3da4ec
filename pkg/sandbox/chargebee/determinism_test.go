package chargebee_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// The same seed and the same order of calls give the same bytes.
func TestDeterminism(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) string {
		var record strings.Builder
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, chargebee.Config{
				Seed: seed, Events: everything, AutoClose: time.Hour, MaxReadLag: time.Hour,
				Refusals: append(chargebee.Documented(), chargebee.Page(502)),
				Faults: sandbox.Seeded(seed, sandbox.Rates{
					Throttle: 0.1, Refuse: 0.2, LoseReply: 0.1, ApplyLate: 0.05, CutBody: 0.05,
					DelayRate: 0.1, MaxDelay: time.Minute, MaxLate: time.Hour, LagRate: 0.3, MaxLag: time.Hour,
				}),
			})
			s.sell()
			for i := range 25 {
				draft := s.renew("ada-1", "ada-2")
				form := fmt.Sprintf("amount=%d&description=d&subscription_id=ada-%d", i+1, i%2+1)
				for _, r := range []request{
					{path: "invoices/" + draft.ID + "/add_charge", form: form, key: fmt.Sprint("charge", i)},
					{method: http.MethodGet, path: "invoices/" + draft.ID},
					{method: http.MethodGet, path: "invoices", query: "limit=100&status[is]=pending&customer_id[is]=ada"},
					{path: "invoices/" + draft.ID + "/close", key: fmt.Sprint("close", i)},
					{method: http.MethodGet, path: "events", query: "limit=100"},
				} {
					answer, err := s.do(r)
					fmt.Fprintln(&record, answer.status, answer.raw, err)
					time.Sleep(time.Minute)
				}
			}
			for _, call := range s.Calls() {
				fmt.Fprintln(&record, call)
			}
			for _, event := range s.Events() {
				fmt.Fprintln(&record, event, string(s.Payload(event.ID)))
			}
		})
		return record.String()
	}
	for seed := range uint64(2) {
		first := run(seed)
		if first != run(seed) {
			t.Errorf("seed %d: two runs differ", seed)
		}
		if first == run(seed+1) {
			t.Errorf("seeds %d and %d give the same", seed, seed+1)
		}
	}
}
