package settlement_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
)

// TestEventsThatCannotBeBilled reject their invoice at once, before anything is sent, with a
// detail that names the event and the attribute. Other invoices are billed meanwhile.
func TestEventsThatCannotBeBilled(t *testing.T) {
	t.Parallel()
	const nearLimit = 400<<10 - 400 // a claim adds attributes, for which there is no room
	for name, test := range map[string]struct {
		code, amount string
		more         []string
		attribute    string
	}{
		"an item near 400 KB":                  {"calls", "1", []string{"payload=" + strings.Repeat("x", nearLimit)}, "the item has"},
		"a charge code of control characters":  {strings.Repeat("\x01", 70_000), "1", nil, "charge_code"},
		"a charge code of 300 KB":              {strings.Repeat("c", 300<<10), "1", nil, "charge_code"},
		"a description of 300 KB":              {"calls", "1", []string{"description=" + strings.Repeat("ü", 150<<10)}, "description"},
		"an amount of 1e30":                    {"calls", "1e30", nil, "amount"},
		"an amount of 2^53":                    {"calls", "9007199254740992", nil, "amount"},
		"an amount of -1e125":                  {"calls", "-1e125", nil, "amount"},
		"a quantity of 1e100":                  {"calls", "1", []string{"quantity=1e100"}, "quantity"},
		"a currency code that is a text":       {"calls", "1", []string{"currency_code=" + strings.Repeat("E", 100<<10)}, "currency_code"},
		"too large, and everything at once":    {strings.Repeat("c", 100<<10), "1e30", []string{"description=" + strings.Repeat("x", 200<<10)}, "charge_code"},
		"an item near 400 KB without a charge": {"", "0", []string{"payload=" + strings.Repeat("x", nearLimit)}, "the item has"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				for _, code := range []string{"a", "b", "c", "d"} {
					f.write("sub", code, "10")
				}
				bad := f.write("sub", test.code, test.amount, test.more...)
				id, body := f.renew("sub")
				settler := f.settler(nil)
				outcome := f.handle(settler, body)
				if outcome.Action != queue.DeadLetter || outcome.Reason != string(billing.InvalidEvent) ||
					!strings.Contains(outcome.Detail, bad) || !strings.Contains(outcome.Detail, test.attribute) {
					t.Fatalf("got %+v", outcome)
				}
				f.wantCalls("retrieve")
				f.wantStatuses("unbilled unbilled unbilled unbilled unbilled")

				f.write("other", "calls", "3")
				_, other := f.renew("other")
				f.wantDoneAtOnce(settler, other)

				f.correct(bad)
				f.wantDone(settler, body)
				if record := f.head(id); record.Outcome != billing.Closed {
					t.Errorf("got %+v", record)
				}
				f.wantAllBilled()
			})
		})
	}
}
