package reconciliation_test

import (
	"strings"
	"testing"

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
	result := compare(reconciled())
	if !result.Reconciled() {
		t.Fatal(result.Differences)
	}
	if result.Expected != 9 || result.Actual != 9 || result.Billed != 9 || result.EventsBilled != 4 || result.EventsEarly != 1 || result.Closed != 1 || result.Charges != 2 {
		t.Errorf("got %+v", result)
	}
}

func TestCompare_Differences(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func([]reconciliation.Event, []reconciliation.Invoice)
		want   string
	}{
		"a line twice": {func(_ []reconciliation.Event, i []reconciliation.Invoice) {
			i[0].Charges = append(i[0].Charges, reconciliation.Charge{SubscriptionID: "s1", Amount: 7})
		}, "actual ["},
		"a line missing":         {func(_ []reconciliation.Event, i []reconciliation.Invoice) { i[0].Charges = i[0].Charges[1:] }, "actual ["},
		"a line of a cent more":  {func(_ []reconciliation.Event, i []reconciliation.Invoice) { i[0].Charges[0].Amount++ }, "actual ["},
		"another subscription's": {func(_ []reconciliation.Event, i []reconciliation.Invoice) { i[0].Charges[0].SubscriptionID = "s2" }, "actual ["},
		"left open":              {func(_ []reconciliation.Event, i []reconciliation.Invoice) { i[0].Closed = false }, "not closed"},
		"an event left": {func(e []reconciliation.Event, _ []reconciliation.Invoice) {
			e[0].Status, e[0].InvoiceID = "", ""
		}, "due on draft_1 and not billed"},
		"an event held":    {func(e []reconciliation.Event, _ []reconciliation.Invoice) { e[0].Status = "claimed" }, "claimed"},
		"billed elsewhere": {func(e []reconciliation.Event, _ []reconciliation.Invoice) { e[0].FinalID = "2" }, "due on draft_1 as 1"},
		"billed too early": {func(e []reconciliation.Event, _ []reconciliation.Invoice) { e[4].Status = "billed" }, "not due"},
		"a fraction of a cent": {func(e []reconciliation.Event, _ []reconciliation.Invoice) {
			e[0].Status, e[3].Status = "claimed", "billed"
		}, "the billed events have"},
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
		equal      bool
	}{
		"on its item price":   {map[string]string{"calls": "calls-EUR"}, []reconciliation.Charge{{"s1", "", 7}, {"s1", "calls-EUR", 2}}, true},
		"on an ad-hoc line":   {map[string]string{"calls": "calls-EUR"}, []reconciliation.Charge{{"s1", "", 7}, {"s1", "", 2}}, false},
		"on another":          {map[string]string{"calls": "calls-EUR"}, []reconciliation.Charge{{"s1", "calls-EUR", 7}, {"s1", "", 2}}, false},
		"on one that is none": {nil, []reconciliation.Charge{{"s1", "", 7}, {"s1", "calls-EUR", 2}}, false},
		"twice":               {map[string]string{"calls": "calls-EUR"}, []reconciliation.Charge{{"s1", "", 7}, {"s1", "calls-EUR", 2}, {"s1", "calls-EUR", 2}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, invoices := reconciled()
			invoices[0].Charges = test.charges
			result := reconciliation.Compare(events, invoices, test.itemPrices)
			if result.Reconciled() != test.equal {
				t.Errorf("got %q", result.Differences)
			}
			if test.equal && (result.Actual != 9 || result.Charges != 2) {
				t.Errorf("got %+v", result)
			}
		})
	}
}
