package books_test

import (
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/sandbox/books"
)

// settled is a small world whose books agree.
func settled() ([]books.Event, []books.Invoice) {
	event := func(id, code, amount string) books.Event {
		return books.Event{
			SubscriptionID: "s1", EventID: id, OccurredAt: 10, ChargeCode: code, Amount: amount,
			Status: "billed", InvoiceID: "draft_1", FinalID: "1",
		}
	}
	return []books.Event{
			event("e1", "calls", "0.25"),
			event("e2", "calls", "2.25"), // 2.5, half to even: 2
			event("e3", "storage", "7"),
			event("e4", "gifts", "0.3"), // rounds to 0: no line
			{SubscriptionID: "s1", EventID: "e5", OccurredAt: 20, ChargeCode: "calls", Amount: "9"},
		}, []books.Invoice{{
			DraftID: "draft_1", ID: "1", Date: 20, Closed: true, SubscriptionIDs: []string{"s1"},
			Charges: []books.Charge{{"s1", "", 7}, {"s1", "", 2}},
		}}
}

func compare(events []books.Event, invoices []books.Invoice) books.Account {
	return books.Compare(events, invoices, nil)
}

func TestEqual(t *testing.T) {
	t.Parallel()
	account := compare(settled())
	if !account.Equal() {
		t.Fatal(account.Differences)
	}
	if account.Owed != 9 || account.Billed != 9 || account.Ledger != 9 || account.EventsBilled != 4 || account.EventsEarly != 1 || account.Closed != 1 || account.Charges != 2 {
		t.Errorf("got %+v", account)
	}
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func([]books.Event, []books.Invoice)
		want  string
	}{
		"a line twice": {func(_ []books.Event, i []books.Invoice) {
			i[0].Charges = append(i[0].Charges, books.Charge{SubscriptionID: "s1", Amount: 7})
		}, "billed are"},
		"a line missing":         {func(_ []books.Event, i []books.Invoice) { i[0].Charges = i[0].Charges[1:] }, "billed are"},
		"a line of a cent more":  {func(_ []books.Event, i []books.Invoice) { i[0].Charges[0].Amount++ }, "billed are"},
		"another subscription's": {func(_ []books.Event, i []books.Invoice) { i[0].Charges[0].SubscriptionID = "s2" }, "billed are"},
		"left open":              {func(_ []books.Event, i []books.Invoice) { i[0].Closed = false }, "not closed"},
		"an event left":          {func(e []books.Event, _ []books.Invoice) { e[0].Status, e[0].InvoiceID = "", "" }, "due on draft_1 and not billed"},
		"an event held":          {func(e []books.Event, _ []books.Invoice) { e[0].Status = "claimed" }, "claimed"},
		"billed elsewhere":       {func(e []books.Event, _ []books.Invoice) { e[0].FinalID = "2" }, "due on draft_1 as 1"},
		"billed too early":       {func(e []books.Event, _ []books.Invoice) { e[4].Status = "billed" }, "not due"},
		"a fraction of a cent":   {func(e []books.Event, _ []books.Invoice) { e[0].Status, e[3].Status = "claimed", "billed" }, "the ledger says"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, invoices := settled()
			test.spoil(events, invoices)
			account := compare(events, invoices)
			if account.Equal() || !strings.Contains(strings.Join(account.Differences, "\n"), test.want) {
				t.Errorf("got %q, want %q", account.Differences, test.want)
			}
		})
	}
}

// TestItemPrices counts lines of both kinds, each code's on the right one.
func TestItemPrices(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		itemPrices map[string]string
		charges    []books.Charge
		equal      bool
	}{
		"on its item price":   {map[string]string{"calls": "calls-EUR"}, []books.Charge{{"s1", "", 7}, {"s1", "calls-EUR", 2}}, true},
		"on an ad-hoc line":   {map[string]string{"calls": "calls-EUR"}, []books.Charge{{"s1", "", 7}, {"s1", "", 2}}, false},
		"on another":          {map[string]string{"calls": "calls-EUR"}, []books.Charge{{"s1", "calls-EUR", 7}, {"s1", "", 2}}, false},
		"on one that is none": {nil, []books.Charge{{"s1", "", 7}, {"s1", "calls-EUR", 2}}, false},
		"twice":               {map[string]string{"calls": "calls-EUR"}, []books.Charge{{"s1", "", 7}, {"s1", "calls-EUR", 2}, {"s1", "calls-EUR", 2}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, invoices := settled()
			invoices[0].Charges = test.charges
			account := books.Compare(events, invoices, test.itemPrices)
			if account.Equal() != test.equal {
				t.Errorf("got %q", account.Differences)
			}
			if test.equal && (account.Billed != 9 || account.Charges != 2) {
				t.Errorf("got %+v", account)
			}
		})
	}
}
