package settlement_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox"
)

// TestCredits nets events exactly within one line. A line below 0 is carried forward to the
// next invoice, a line of 0 settles its events.
func TestCredits(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		amounts  string // of code calls
		charged  int64
		statuses string
		carried  int
	}{
		"netted":              {"10 -4.5 -0.5", 5, "billed billed billed", 0},
		"to nothing":          {"10 -10", 0, "billed billed", 0},
		"rounded to nothing":  {"10 -10.5", 0, "billed billed", 0},
		"below nothing":       {"10 -10.6", 0, "unbilled unbilled", 2},
		"a credit alone":      {"-3", 0, "unbilled", 1},
		"rounded half to odd": {"1.5 -3", 0, "unbilled unbilled", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				for amount := range strings.FieldsSeq(test.amounts) {
					f.write("sub", "calls", amount)
				}
				other := f.write("sub", "seats", "7")
				id, body := f.renew("sub")
				f.wantDoneAtOnce(f.settler(nil), body)
				if report := f.last(); report.CarriedForward != test.carried || report.InvoiceOutcome != billing.Closed {
					t.Errorf("got %+v", report)
				}
				f.wantStatuses(test.statuses + " billed")
				var charged int64
				for _, line := range f.adHoc(f.head(id).FinalInvoiceID) {
					charged += line.Amount
				}
				if charged != test.charged+7 {
					t.Errorf("charged %d, %s included", charged, other)
				}
				if test.carried == 0 {
					return
				}

				time.Sleep(30 * 24 * time.Hour)
				f.write("sub", "calls", "100")
				next, body := f.renew("sub")
				f.wantDoneAtOnce(f.settler(nil), body)
				if left := strings.Count(f.statuses(), "unbilled"); left != 0 {
					t.Errorf("%d events are left: %s", left, f.statuses())
				}
				if lines := f.adHoc(f.head(next).FinalInvoiceID); len(lines) != 1 || lines[0].Amount >= 100 {
					t.Errorf("charged %+v", lines)
				}
			})
		})
	}
}

// TestCreditsOfManyPages are released page by page, also after a takeover.
func TestCreditsOfManyPages(t *testing.T) {
	unraced(t)
	t.Parallel()
	atEachCall(t, "crashed", func(t *testing.T, call int) (reached bool) {
		f := newFixture(t, nil)
		for i := range 130 {
			f.write("sub", fmt.Sprintf("code_%d", i%2), []string{"1", "-2"}[i%2])
		}
		_, body := f.renew("sub")
		reached = f.handleAndCrash(&crash{at: call}, body)
		time.Sleep(2 * settings.Lease)
		f.wantDone(f.settler(nil), body)
		for id, event := range f.events() {
			if credit := event.ChargeCode == "code_1"; credit == (event.Status == billing.EventBilled) || event.Status == billing.EventClaimed {
				t.Errorf("%s, %s, is %s", id, event.ChargeCode, event.Status)
			}
		}
		return reached
	})
}

// TestCreditsOfAClosedDraft stay unbilled, whether the close was ours or not.
func TestCreditsOfAClosedDraft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, once("close", 1, sandbox.Fault{Kind: sandbox.LoseReply}))
		f.write("sub", "calls", "10")
		f.write("sub", "seats", "-5")
		_, body := f.renew("sub")
		settler := f.settler(nil)
		f.wantRetry(settler, body)
		time.Sleep(time.Hour)
		f.wantDone(settler, body)
		f.wantStatuses("billed unbilled")
	})
}
