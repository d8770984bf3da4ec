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
				w := newWorld(t, nil)
				for amount := range strings.FieldsSeq(test.amounts) {
					w.write("sub", "calls", amount)
				}
				other := w.write("sub", "seats", "7")
				id, body := w.renew("sub")
				w.wantDoneAtOnce(w.settler(nil), body)
				if report := w.last(); report.CarriedForward != test.carried || report.Result != billing.Closed {
					t.Errorf("got %+v", report)
				}
				w.wantStatuses(test.statuses + " billed")
				var charged int64
				for _, line := range w.adHoc(w.head(id).FinalInvoiceID) {
					charged += line.Amount
				}
				if charged != test.charged+7 {
					t.Errorf("charged %d, %s included", charged, other)
				}
				if test.carried == 0 {
					return
				}

				time.Sleep(30 * 24 * time.Hour)
				w.write("sub", "calls", "100")
				next, body := w.renew("sub")
				w.wantDoneAtOnce(w.settler(nil), body)
				if left := strings.Count(w.statuses(), "unbilled"); left != 0 {
					t.Errorf("%d events are left: %s", left, w.statuses())
				}
				if lines := w.adHoc(w.head(next).FinalInvoiceID); len(lines) != 1 || lines[0].Amount >= 100 {
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
		w := newWorld(t, nil)
		for i := range 130 {
			w.write("sub", fmt.Sprintf("code_%d", i%2), []string{"1", "-2"}[i%2])
		}
		_, body := w.renew("sub")
		reached = w.handleAndCrash(&crash{at: call}, body)
		time.Sleep(2 * settings.Lease)
		w.wantDone(w.settler(nil), body)
		for id, event := range w.events() {
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
		w := newWorld(t, once("close", 1, sandbox.Fault{Kind: sandbox.LoseReply}))
		w.write("sub", "calls", "10")
		w.write("sub", "seats", "-5")
		_, body := w.renew("sub")
		settler := w.settler(nil)
		w.wantRetry(settler, body)
		time.Sleep(time.Hour)
		w.wantDone(settler, body)
		w.wantStatuses("billed unbilled")
	})
}
