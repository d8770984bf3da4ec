package reconcile_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/finding"
)

// An invoice that was voided or deleted is reported if events are billed on it.
func TestSweeper_VoidedAfterBilling(t *testing.T) {
	t.Parallel()
	with := func(change func(*billing.Record)) billing.Record {
		record := billing.Record{InvoiceID: "draft", State: billing.Finished, Outcome: billing.Closed, FinalInvoiceID: "INV-1", Pages: 1}
		change(&record)
		return record
	}
	closed := with(func(*billing.Record) {})
	rejected := func(dispositions billing.Dispositions) billing.Record {
		return with(func(record *billing.Record) {
			record.State, record.Outcome, record.Dispositions, record.ProcessedPages = billing.Rejected, "", dispositions, 1
		})
	}
	voided := billing.Invoice{ID: "INV-1", CurrencyCode: "EUR", Status: billing.StatusVoided, Date: ago(time.Hour)}
	deleted := billing.Invoice{ID: "INV-1", CurrencyCode: "EUR", Status: "payment_due", Deleted: true, Date: ago(time.Hour)}
	draft := billing.Invoice{ID: "draft", CurrencyCode: "EUR", Status: billing.StatusPending, Deleted: true, Date: ago(time.Hour)}
	for name, test := range map[string]struct {
		changed billing.Invoice
		record  billing.Record
		want    string // examples and amounts
	}{
		"voided":            {changed: voided, record: closed, want: "[INV-1] map[EUR:30]"},
		"deleted":           {changed: deleted, record: closed, want: "[INV-1] map[EUR:30]"},
		"paid":              {changed: billing.Invoice{ID: "INV-1", Status: "paid"}, record: closed},
		"draft of a closed": {changed: draft, record: closed},
		"left open": {changed: draft, want: "[draft] map[EUR:30]", record: with(func(record *billing.Record) {
			record.Outcome, record.FinalInvoiceID = billing.LeftOpen, ""
		})},
		"partly charged":    {changed: voided, record: rejected("sr"), want: "[INV-1] map[EUR:10]"},
		"not charged":       {changed: voided, record: rejected("rr")},
		"released before":   {changed: voided, record: with(func(record *billing.Record) { record.Outcome = billing.Released })},
		"without events":    {changed: voided, record: with(func(record *billing.Record) { record.Pages = 0 })},
		"of another ledger": {changed: voided, record: with(func(record *billing.Record) { record.FinalInvoiceID = "INV-2" })},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &env{
				changed: []billing.Invoice{test.changed},
				records: map[string]billing.Record{"draft": test.record},
				plans:   map[string]billing.Plan{"draft": {Lines: []billing.Line{{Amount: 10}, {Amount: 20}, {Amount: -5}}}},
			}
			swept, err := e.sweep(t, options())
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, found := range swept.Findings {
				if found.Name == "voided_after_billing" && found.Level == finding.Error {
					got = fmt.Sprint(found.Examples, " ", found.Amounts)
				}
			}
			if got != test.want {
				t.Errorf("got %q, want %q: %+v", got, test.want, swept.Findings)
			}
		})
	}
}

func TestSweeper_VoidedUnreadable(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"record", "plan"} {
		e := &env{
			changed: []billing.Invoice{{ID: "draft", Status: billing.StatusVoided}},
			records: map[string]billing.Record{"draft": {InvoiceID: "draft", State: billing.Finished, Outcome: billing.LeftOpen, Pages: 1}},
			plans:   map[string]billing.Plan{"draft": {}},
			fails:   map[string]error{operation: errBroken},
		}
		if swept, err := e.sweep(t, options()); !errors.Is(err, errBroken) || swept.Complete {
			t.Errorf("%s: %+v, %v", operation, swept, err)
		}
	}
}
