package billing_test

import (
	"testing"

	"github.com/billable-events/billable/pkg/billing"
)

// TestReconcile has three lines: the first was added, the second is that of the case, the third was
// never sent.
func TestReconcile(t *testing.T) {
	t.Parallel()
	lines := []billing.Line{
		{SubscriptionID: "s1", Amount: 10, Marker: "aaaaaaaaaaaa"},
		{SubscriptionID: "s1", Amount: 20, Marker: "bbbbbbbbbbbb"},
		{SubscriptionID: "s1", Amount: 30, Marker: "cccccccccccc"},
	}
	line := func(id, text string, amount int64) billing.InvoiceLine {
		return billing.InvoiceLine{ID: id, SubscriptionID: "s1", EntityType: billing.EntityAdHoc, Description: text, Amount: amount}
	}
	a, b, c := line("1", "x [aaaaaaaaaaaa]", 10), line("2", "x [bbbbbbbbbbbb]", 20), line("3", "x [cccccccccccc]", 30)
	invoice := func(lines ...billing.InvoiceLine) *billing.Invoice {
		return &billing.Invoice{ID: "final", Lines: lines}
	}
	zeros := []billing.Line{{Marker: "aaaaaaaaaaaa"}, {Marker: "bbbbbbbbbbbb"}}
	credit := []billing.Line{lines[0], {SubscriptionID: "s1", Amount: -5, Marker: "dddddddddddd"}}
	for name, test := range map[string]struct {
		evidence billing.ReconcileInput
		verdict  string
		certain  bool
		outcome  billing.Outcome
		reason   billing.Reason
	}{
		"all stand":                            {billing.ReconcileInput{Lines: lines, Cursor: 3, Closing: true, Final: invoice(c, b, a)}, "sss", true, billing.Closed, ""},
		"closed in the middle of charging":     {billing.ReconcileInput{Lines: lines, Cursor: 1, Final: invoice(a)}, "srr", true, "", billing.InvoiceNotPending},
		"the one in doubt stands":              {billing.ReconcileInput{Lines: lines, Cursor: 1, InDoubt: true, Final: invoice(a, b)}, "ssr", true, "", billing.InvoiceNotPending},
		"the one in doubt is not there":        {billing.ReconcileInput{Lines: lines, Cursor: 1, InDoubt: true, Final: invoice(a)}, "srr", false, "", billing.InvoiceNotPending},
		"the one in doubt, a lookalike":        {billing.ReconcileInput{Lines: lines, Cursor: 1, InDoubt: true, Final: invoice(a, line("9", "edited", 20))}, "shr", false, "", billing.LineRemoved},
		"a lookalike that stood there before":  {billing.ReconcileInput{Lines: lines, Cursor: 1, InDoubt: true, Originals: []billing.InvoiceLine{{ID: "9"}}, Final: invoice(a, line("9", "edited", 20))}, "srr", false, "", billing.InvoiceNotPending},
		"a lookalike with another amount":      {billing.ReconcileInput{Lines: lines, Cursor: 1, InDoubt: true, Final: invoice(a, line("9", "edited", 21))}, "srr", false, "", billing.InvoiceNotPending},
		"an added line was removed":            {billing.ReconcileInput{Lines: lines, Cursor: 3, Final: invoice(a, c)}, "shs", false, "", billing.LineRemoved},
		"a line stands twice":                  {billing.ReconcileInput{Lines: lines, Cursor: 3, Final: invoice(a, b, b, c)}, "shs", false, "", billing.DuplicateLine},
		"deleted before anything was sent":     {billing.ReconcileInput{Lines: lines}, "rrr", false, "", billing.InvoiceNotPending},
		"deleted with a line in doubt":         {billing.ReconcileInput{Lines: lines, InDoubt: true}, "hrr", false, "", billing.SuccessorUnknown},
		"deleted in the middle":                {billing.ReconcileInput{Lines: lines, Cursor: 2}, "hhr", false, "", billing.SuccessorUnknown},
		"nothing to charge, closed by others":  {billing.ReconcileInput{Lines: nil, Final: invoice()}, "", true, billing.Gone, ""},
		"lines of 0 before closing":            {billing.ReconcileInput{Lines: zeros, Final: invoice()}, "rr", true, billing.Gone, ""},
		"lines of 0 while closing":             {billing.ReconcileInput{Lines: zeros, Cursor: 2, Closing: true, Final: invoice()}, "ss", true, billing.Gone, ""},
		"a credit is carried forward":          {billing.ReconcileInput{Lines: credit, Cursor: 2, Closing: true, Final: invoice(a)}, "sr", true, billing.Closed, ""},
		"a credit alone":                       {billing.ReconcileInput{Lines: credit[1:], Cursor: 1, Closing: true, Final: invoice()}, "r", true, billing.Gone, ""},
		"judged anew, now it stands":           {billing.ReconcileInput{Lines: lines, Cursor: 1, InDoubt: true, Previous: "shr", Final: invoice(a, b)}, "ssr", true, "", billing.InvoiceNotPending},
		"judged anew, still not there":         {billing.ReconcileInput{Lines: lines, Cursor: 2, Previous: "shr", Final: invoice(a)}, "shr", false, "", billing.LineRemoved},
		"judged anew, a released line appears": {billing.ReconcileInput{Lines: lines, Cursor: 1, Previous: "sss", Final: invoice(a)}, "sss", true, billing.Closed, ""},
		"vouched for, deleted":                 {billing.ReconcileInput{Lines: lines, Cursor: 2, NotCharged: true}, "rrr", false, "", billing.InvoiceNotPending},
		"vouched for, one stands after all":    {billing.ReconcileInput{Lines: lines, Cursor: 2, NotCharged: true, Final: invoice(b)}, "rsr", false, "", billing.InvoiceNotPending},
		"vouched for, a line stands twice":     {billing.ReconcileInput{Lines: lines, Cursor: 3, NotCharged: true, Final: invoice(b, b)}, "rhr", false, "", billing.DuplicateLine},
		"vouched for when judged anew":         {billing.ReconcileInput{Lines: lines, Cursor: 3, NotCharged: true, Previous: "shr"}, "srr", false, "", billing.InvoiceNotPending},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := billing.Reconcile(test.evidence)
			if got.Dispositions != billing.Dispositions(test.verdict) || got.Certain != test.certain || got.Outcome != test.outcome || got.Reason != test.reason {
				t.Errorf("got %q certain=%t outcome=%q reason=%q (%s)", got.Dispositions, got.Certain, got.Outcome, got.Reason, got.Detail)
			}
			if (got.Reason == "") == (got.Outcome == "") {
				t.Errorf("outcome %q and reason %q", got.Outcome, got.Reason)
			}
		})
	}
}
