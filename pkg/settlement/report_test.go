package settlement_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/billable-events/billable/pkg/settlement"
)

// The session that finishes an invoice reports what is billed on it. One without a charge can be
// distinguished from the others.
func TestReport_Billed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		amounts        string // of code calls; another event of code seats is 7
		want           settlement.Billed
		withoutCharges bool
	}{
		"two lines":         {"10 -4.5", settlement.Billed{CurrencyCode: "EUR", Events: 3, Lines: 2, Amount: 13}, false},
		"a line of nothing": {"10 -10", settlement.Billed{CurrencyCode: "EUR", Events: 3, Lines: 1, Amount: 7}, false},
		"a credit":          {"-10", settlement.Billed{CurrencyCode: "EUR", Events: 1, Lines: 1, Amount: 7}, false},
		"no events":         {"", settlement.Billed{CurrencyCode: "EUR"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				for amount := range strings.FieldsSeq(test.amounts) {
					f.write("sub", "calls", amount)
				}
				if test.amounts != "" {
					f.write("sub", "seats", "7")
				}
				_, body := f.renew("sub")
				f.wantDone(f.settler(nil), body)
				report := f.last()
				if diff := cmp.Diff(test.want, report.Billed); diff != "" {
					t.Errorf("billed (-want +got):\n%s", diff)
				}
				if report.ClosedWithoutCharges() != test.withoutCharges {
					t.Errorf("got %+v", report)
				}
			})
		})
	}
}
