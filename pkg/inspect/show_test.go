package inspect_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/inspect"
)

// book is a ledger of functions. Without manifest and pages it has none.
type book struct {
	head     func(id string) (billing.Record, bool, error)
	plan     func(invoiceID, epoch string) (billing.Plan, error)
	manifest func() (billing.Manifest, error)
	page     func(number int) (billing.Page, error)
}

func (b book) Manifest(_ context.Context, invoiceID, epoch string) (billing.Manifest, error) {
	if b.manifest == nil {
		return billing.Manifest{}, billing.ErrNotFound
	}
	return b.manifest()
}

func (b book) Page(_ context.Context, _, _ string, number int) (billing.Page, error) {
	if b.page == nil {
		return billing.Page{}, billing.ErrNotFound
	}
	return b.page(number)
}

func (b book) FindRecord(_ context.Context, id string) (billing.Record, bool, error) {
	return b.head(id)
}

func (b book) Plan(_ context.Context, invoiceID, epoch string) (billing.Plan, error) {
	return b.plan(invoiceID, epoch)
}

// holding is a ledger with one invoice.
func holding(record billing.Record, lines ...billing.Line) book {
	return book{
		head: func(string) (billing.Record, bool, error) { return record, true, nil },
		plan: func(string, string) (billing.Plan, error) { return billing.Plan{Lines: lines}, nil },
	}
}

func show(t *testing.T, from book) inspect.Invoice {
	t.Helper()
	invoice, err := inspect.Show(t.Context(), from, "draft_1", false)
	if err != nil {
		t.Fatal(err)
	}
	return invoice
}

// The amounts of the lines are 1, 0, 2, 3 and 0.
func TestShow_LineStates(t *testing.T) {
	t.Parallel()
	lines := []billing.Line{{Amount: 1}, {Amount: 0}, {Amount: 2}, {Amount: 3}, {Amount: 0}}
	for name, test := range map[string]struct {
		head billing.Record
		want string
	}{
		"planned":                  {billing.Record{State: billing.Charging}, "planned zero planned planned zero"},
		"the first is sending":     {billing.Record{State: billing.Charging, SendingSince: 1}, "sending zero planned planned zero"},
		"in doubt":                 {billing.Record{State: billing.Charging, Cursor: 2, SendingSince: 1, InDoubt: true}, "added zero sending planned zero"},
		"added, the next not sent": {billing.Record{State: billing.Charging, Cursor: 2}, "added zero planned planned zero"},
		"a new round":              {billing.Record{State: billing.Charging, Cursor: 3}, "added zero added planned zero"},
		"gone, not judged yet":     {billing.Record{State: billing.Charging, Cursor: 2, SendingSince: 1, MissingSince: 9}, "added zero sending planned zero"},
		"closing":                  {billing.Record{State: billing.Closing, Cursor: 5}, "added zero added added zero"},
		"settling":                 {billing.Record{State: billing.Settling, Cursor: 5, ProcessedPages: 1}, "added zero added added zero"},
		"done":                     {billing.Record{State: billing.Finished, Cursor: 5, Outcome: billing.Closed}, "added zero added added zero"},
		"left open":                {billing.Record{State: billing.Finished, Cursor: 4, Outcome: billing.LeftOpen}, "added zero added added zero"},
		"done by a verdict":        {billing.Record{State: billing.Finished, Cursor: 2, Dispositions: "sssss"}, "added zero added added zero"},
		"nobody charged it":        {billing.Record{State: billing.Finished, Dispositions: "rrrrr", Outcome: billing.Gone}, "released zero released released zero"},
		"a verdict of all letters": {billing.Record{State: billing.Settling, Cursor: 2, SendingSince: 1, Dispositions: "srhrr"}, "added zero held released zero"},
		"held":                     {billing.Record{State: billing.Rejected, Resume: billing.Settling, Cursor: 3, Dispositions: "hrhhr"}, "held zero held held zero"},
		"a verdict over releasing": {billing.Record{State: billing.Rejected, Resume: billing.Settling, Dispositions: "srrrr"}, "added zero released released zero"},
		"an unknown letter":        {billing.Record{State: billing.Settling, SchemaVersion: 2, Dispositions: "sr?rr"}, "added zero held released zero"},
		"too few letters":          {billing.Record{State: billing.Settling, SchemaVersion: 2, Dispositions: "sr"}, "added zero held held zero"},
		"releasing":                {billing.Record{State: billing.Releasing, ProcessedPages: 1}, "released zero released released zero"},
		"released":                 {billing.Record{State: billing.Rejected, Resume: billing.Claiming}, "released zero released released zero"},
		"rejected while releasing": {billing.Record{State: billing.Rejected, Resume: billing.Releasing}, "released zero released released zero"},
		"rejected while charging":  {billing.Record{State: billing.Rejected, Resume: billing.Charging, Cursor: 2}, "added zero planned planned zero"},
		"rejected in doubt":        {billing.Record{State: billing.Rejected, Resume: billing.Charging, SendingSince: 1, InDoubt: true}, "sending zero planned planned zero"},
		"rejected while closing":   {billing.Record{State: billing.Rejected, Resume: billing.Closing, Cursor: 5}, "added zero added added zero"},
		"rejected while settling":  {billing.Record{State: billing.Rejected, Resume: billing.Settling, Cursor: 5}, "added zero added added zero"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var states []string
			for _, line := range show(t, holding(test.head, lines...)).Lines {
				states = append(states, line.State)
			}
			if got := strings.Join(states, " "); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// full is a head of which every attribute is set.
func full() billing.Record {
	return billing.Record{
		InvoiceID:    "draft_1",
		State:        billing.Rejected,
		Resume:       billing.Settling,
		Owner:        "owner-token",
		Acquisitions: 3,
		Version:      "write-token",
		LeaseUntil:   1767225660,
		Attempts:     2,

		Epoch:        "abcdefghijklmnop",
		Pages:        4,
		Cursor:       1,
		SendingSince: 1767225601,
		InDoubt:      true,
		MissingSince: 1767225602,

		Dispositions:   "srh",
		ProcessedPages: 5,
		Outcome:        billing.Closed,
		Reason:         billing.LineRemoved,
		Detail:         "<1 of 2> lines & more",
		FinalInvoiceID: "inv_1",

		UpdatedAt:     1767225603,
		ExpiresAt:     1775001603,
		SchemaVersion: 1,
	}
}

// eventful is a ledger that has everything of an invoice.
func eventful() book {
	from := holding(
		full(),
		billing.Line{
			SubscriptionID: "sub_1", ChargeCode: "calls", Amount: 9223372036854775807, Quantity: "102.5", Events: 7,
			From: 1767139200, To: 1767225599, Description: "Calls (102.5) [aaaaaaaaaaaa]", Marker: "aaaaaaaaaaaa", IdempotencyKey: "key",
		},
		billing.Line{SubscriptionID: "sub_1", ChargeCode: "free", Events: 1, Marker: "bbbbbbbbbbbb"},
		billing.Line{SubscriptionID: "sub_2", ChargeCode: "calls", Amount: 12, Events: 2, ItemPriceID: "calls-EUR"},
	)
	from.manifest = func() (billing.Manifest, error) {
		return billing.Manifest{
			Date: 1767225600, CurrencyCode: "EUR", CustomerID: "customer", Subscriptions: []string{"sub_1", "sub_2"}, ClaimedAt: 1767225600,
		}, nil
	}
	from.page = func(number int) (billing.Page, error) {
		switch number {
		case 0:
			return billing.Page{Events: []billing.Event{{
				EventKey:   billing.EventKey{SubscriptionID: "sub_1", EventID: "e1"},
				OccurredAt: 1767139200, ChargeCode: "calls", Amount: "12.5", Quantity: "2", CurrencyCode: "EUR",
			}}}, nil
		case 2:
			return billing.Page{Number: 2, Events: []billing.Event{{
				EventKey: billing.EventKey{SubscriptionID: "sub_2", EventID: "e2"}, Fault: "amount is not a number",
			}}}, nil
		default:
			return billing.Page{}, billing.ErrNotFound // expired
		}
	}
	return from
}

// The JSON of invoice show is a contract.
func TestShow_JSON(t *testing.T) {
	t.Parallel()
	claiming := book{
		head: func(string) (billing.Record, bool, error) {
			return billing.Record{
				InvoiceID: "draft_1", State: billing.Claiming, Acquisitions: 1, Version: "write-token", Epoch: "abcdefghijklmnop", SchemaVersion: 1,
			}, true, nil
		},
		plan: func(string, string) (billing.Plan, error) { return billing.Plan{}, billing.ErrNotFound },
	}
	for file, test := range map[string]struct {
		from   book
		events bool
	}{
		"full.json":     {eventful(), false},
		"events.json":   {eventful(), true},
		"claiming.json": {claiming, false},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile("testdata/" + file)
			if err != nil {
				t.Fatal(err)
			}
			invoice, err := inspect.Show(t.Context(), test.from, "draft_1", test.events)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			if err := cli.WriteJSON(&got, invoice); err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("got\n%s\nwant\n%s", &got, want)
			}
		})
	}
}

// Without a plan, the events are counted in the pages.
func TestShow_WithoutPlan(t *testing.T) {
	t.Parallel()
	from := eventful()
	from.plan = func(string, string) (billing.Plan, error) { return billing.Plan{}, billing.ErrNotFound }
	invoice := show(t, from)
	if invoice.Claims.Events != 2 || invoice.Claims.Pages != 4 || invoice.Events != nil {
		t.Errorf("got %+v", invoice.Claims)
	}
}

// The plan is that of the record that was found.
func TestShow_ByFinalID(t *testing.T) {
	t.Parallel()
	from := book{
		head: func(id string) (billing.Record, bool, error) { return full(), id == "inv_1", nil },
		plan: func(invoiceID, epoch string) (billing.Plan, error) {
			if invoiceID != "draft_1" || epoch != "abcdefghijklmnop" {
				t.Errorf("the plan of %s#%s was read", invoiceID, epoch)
			}
			return billing.Plan{}, nil
		},
	}
	invoice, err := inspect.Show(t.Context(), from, "inv_1", false)
	if err != nil || invoice.InvoiceID != "draft_1" {
		t.Errorf("got %s, %v", invoice.InvoiceID, err)
	}
}

func TestShow_Errors(t *testing.T) {
	t.Parallel()
	broken := errors.New("table is gone")
	unknown := func(string) (billing.Record, bool, error) { return billing.Record{}, false, nil }
	for name, test := range map[string]struct {
		from book
		want error
	}{
		"no head":           {book{head: unknown}, inspect.ErrUnknown},
		"no answer, a head": {book{head: func(string) (billing.Record, bool, error) { return billing.Record{}, false, broken }}, broken},
		"no answer, a plan": {book{
			head: func(string) (billing.Record, bool, error) { return full(), true, nil },
			plan: func(string, string) (billing.Plan, error) { return billing.Plan{}, broken },
		}, broken},
	} {
		if _, err := inspect.Show(t.Context(), test.from, "draft_9", false); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
