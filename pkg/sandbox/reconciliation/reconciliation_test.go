package reconciliation_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/billable-events/billable/pkg/sandbox/reconciliation"
)

// reconciled returns events and invoices without a difference.
func reconciled() ([]reconciliation.Event, []reconciliation.Invoice) {
	event := func(id, code, amount string) reconciliation.Event {
		return reconciliation.Event{
			SubscriptionID: "s1", EventID: id, OccurredAt: 10, ChargeCode: code, Amount: amount,
			Status: "billed", InvoiceID: "draft_1", FinalID: "1",
		}
	}
	return []reconciliation.Event{
			event("e1", "calls", "0.25"),
			event("e2", "calls", "2.25"), // 2.5, half to even: 2
			event("e3", "storage", "7"),
			event("e4", "gifts", "0.3"), // rounds to 0: no line
			{SubscriptionID: "s1", EventID: "e5", OccurredAt: 20, ChargeCode: "calls", Amount: "9"},
		}, []reconciliation.Invoice{{
			DraftID: "draft_1", ID: "1", Date: 20, Closed: true, SubscriptionIDs: []string{"s1"},
			Charges: []reconciliation.Charge{{"s1", "", 7}, {"s1", "", 2}},
		}}
}

func compare(events []reconciliation.Event, invoices []reconciliation.Invoice) reconciliation.Result {
	return reconciliation.Compare(events, invoices, nil)
}

func TestCompare_Reconciled(t *testing.T) {
	t.Parallel()
	want := reconciliation.Result{
		Invoices: 1, Closed: 1, Charges: 2, Expected: 9, Actual: 9, Billed: 9, EventsBilled: 4, EventsEarly: 1,
	}
	if diff := cmp.Diff(want, compare(reconciled())); diff != "" {
		t.Error(diff)
	}
}

func TestCompare_Differences(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func([]reconciliation.Event, []reconciliation.Invoice)
		want   string
	}{
		"a line twice": {change: func(_ []reconciliation.Event, i []reconciliation.Invoice) {
			i[0].Charges = append(i[0].Charges, reconciliation.Charge{SubscriptionID: "s1", Amount: 7})
		}, want: "actual ["},
		"a line missing":         {change: func(_ []reconciliation.Event, i []reconciliation.Invoice) { i[0].Charges = i[0].Charges[1:] }, want: "actual ["},
		"a line of a cent more":  {change: func(_ []reconciliation.Event, i []reconciliation.Invoice) { i[0].Charges[0].Amount++ }, want: "actual ["},
		"another subscription's": {change: func(_ []reconciliation.Event, i []reconciliation.Invoice) { i[0].Charges[0].SubscriptionID = "s2" }, want: "actual ["},
		"left open":              {change: func(_ []reconciliation.Event, i []reconciliation.Invoice) { i[0].Closed = false }, want: "not closed"},
		"an event left": {change: func(e []reconciliation.Event, _ []reconciliation.Invoice) {
			e[0].Status, e[0].InvoiceID = "", ""
		}, want: "due on draft_1 and not billed"},
		"an event held":    {change: func(e []reconciliation.Event, _ []reconciliation.Invoice) { e[0].Status = "claimed" }, want: "claimed"},
		"billed elsewhere": {change: func(e []reconciliation.Event, _ []reconciliation.Invoice) { e[0].FinalID = "2" }, want: "due on draft_1 as 1"},
		"billed too early": {change: func(e []reconciliation.Event, _ []reconciliation.Invoice) { e[4].Status = "billed" }, want: "not due"},
		"a fraction of a cent": {change: func(e []reconciliation.Event, _ []reconciliation.Invoice) {
			e[0].Status, e[3].Status = "claimed", "billed"
		}, want: "the billed events have"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, invoices := reconciled()
			test.change(events, invoices)
			result := compare(events, invoices)
			if result.Reconciled() || !strings.Contains(strings.Join(result.Differences, "\n"), test.want) {
				t.Errorf("got %q, want %q", result.Differences, test.want)
			}
		})
	}
}

// TestCompare_ItemPrices has lines of both kinds.
func TestCompare_ItemPrices(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		itemPrices map[string]string
		charges    []reconciliation.Charge
		reconciled bool
	}{
		"on its item price":   {itemPrices: map[string]string{"calls": "calls-EUR"}, charges: []reconciliation.Charge{{"s1", "", 7}, {"s1", "calls-EUR", 2}}, reconciled: true},
		"on an ad-hoc line":   {itemPrices: map[string]string{"calls": "calls-EUR"}, charges: []reconciliation.Charge{{"s1", "", 7}, {"s1", "", 2}}},
		"on another":          {itemPrices: map[string]string{"calls": "calls-EUR"}, charges: []reconciliation.Charge{{"s1", "calls-EUR", 7}, {"s1", "", 2}}},
		"on one that is none": {charges: []reconciliation.Charge{{"s1", "", 7}, {"s1", "calls-EUR", 2}}},
		"twice":               {itemPrices: map[string]string{"calls": "calls-EUR"}, charges: []reconciliation.Charge{{"s1", "", 7}, {"s1", "calls-EUR", 2}, {"s1", "calls-EUR", 2}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, invoices := reconciled()
			invoices[0].Charges = test.charges
			result := reconciliation.Compare(events, invoices, test.itemPrices)
			if result.Reconciled() != test.reconciled {
				t.Errorf("got %q", result.Differences)
			}
			if test.reconciled && (result.Actual != 9 || result.Charges != 2) {
				t.Errorf("got %+v", result)
			}
		})
	}
}
