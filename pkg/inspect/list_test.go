package inspect_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/inspect"
)

// heads is a ledger of heads. It ends with the error, if there is one.
type heads struct {
	all []billing.Record
	err error
}

func (h heads) Records(context.Context) iter.Seq2[billing.Record, error] {
	return func(yield func(billing.Record, error) bool) {
		for _, record := range h.all {
			if !yield(record, nil) {
				return
			}
		}
		if h.err != nil {
			yield(billing.Record{}, h.err)
		}
	}
}

var now = time.Unix(1767225600, 0)

// ledgerOf has claims of some invoices.
var ledgerOf = claims{
	"draft_1":  {Lines: []billing.Line{{Amount: 100}, {Amount: 0}, {Amount: -7}}},
	"charging": {Lines: []billing.Line{{Amount: 200}}},
	"removed":  {Lines: []billing.Line{{Amount: 300}, {Amount: 1}}},
	"closed":   {},
}

// claims has the plans of invoices. Each is of one customer, and of a subscription with its id.
type claims map[string]billing.Plan

func (c claims) Manifest(_ context.Context, invoiceID, _ string) (billing.Manifest, error) {
	if _, ok := c[invoiceID]; !ok {
		return billing.Manifest{}, billing.ErrNotFound
	}
	return billing.Manifest{CustomerID: "ada", CurrencyCode: "EUR", Subscriptions: []string{"sub_" + invoiceID}}, nil
}

func (c claims) Page(context.Context, string, string, int) (billing.Page, error) {
	return billing.Page{}, billing.ErrNotFound
}

func (c claims) Plan(_ context.Context, invoiceID, _ string) (billing.Plan, error) {
	if invoiceID == "closed" {
		return billing.Plan{}, billing.ErrNotFound // not planned yet
	}
	return c[invoiceID], nil
}

func TestList(t *testing.T) {
	t.Parallel()
	hoursAgo := func(hours int64) int64 { return now.Unix() - hours*3600 }
	from := heads{all: []billing.Record{
		{InvoiceID: "charging", State: billing.Charging, Owner: "o", LeaseUntil: now.Unix() + 9, UpdatedAt: hoursAgo(0)},
		{InvoiceID: "closed", State: billing.Finished, Outcome: billing.Closed, UpdatedAt: hoursAgo(50)},
		{InvoiceID: "empty", State: billing.Finished, Outcome: billing.Empty, UpdatedAt: hoursAgo(2)},
		{InvoiceID: "removed", State: billing.Rejected, Resume: billing.Charging, Reason: billing.LineRemoved, UpdatedAt: hoursAgo(3)},
		{InvoiceID: "invalid", State: billing.Rejected, Resume: billing.Claiming, Reason: billing.InvalidEvent, UpdatedAt: hoursAgo(49)},
		{InvoiceID: "judged", State: billing.Rejected, Resume: billing.Settling, Dispositions: "srh", Reason: billing.LineRemoved, UpdatedAt: hoursAgo(3)},
	}}
	for name, test := range map[string]struct {
		filter inspect.Filter
		want   string
	}{
		"all, the latest last":  {inspect.Filter{}, "closed invalid judged removed empty charging"},
		"by state":              {inspect.Filter{States: []billing.State{billing.Rejected, billing.Charging}}, "invalid judged removed charging"},
		"by outcome":            {inspect.Filter{Outcomes: []billing.Outcome{billing.Closed, billing.Gone}}, "closed"},
		"by reason":             {inspect.Filter{Reasons: []billing.Reason{billing.InvalidEvent}}, "invalid"},
		"lately":                {inspect.Filter{Since: now.Add(-3 * time.Hour)}, "judged removed empty charging"},
		"holding events":        {inspect.Filter{HoldsClaims: true}, "judged removed charging"},
		"by several conditions": {inspect.Filter{States: []billing.State{billing.Rejected}, HoldsClaims: true, Since: now.Add(-4 * time.Hour)}, "judged removed"},
		"of a customer":         {inspect.Filter{Customer: "ada"}, "closed removed charging"},
		"of another customer":   {inspect.Filter{Customer: "bob"}, ""},
		"of a subscription":     {inspect.Filter{Subscription: "sub_removed"}, "removed"},
		"of an amount":          {inspect.Filter{MinAmount: 201}, "removed"},
		"none":                  {inspect.Filter{States: []billing.State{billing.Closing}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			read := 0
			listing, err := inspect.List(t.Context(), from, ledgerOf, test.filter, now, func() { read++ })
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, invoice := range listing.Invoices {
				ids = append(ids, invoice.InvoiceID)
			}
			if got := strings.Join(ids, " "); got != test.want || read != len(from.all) {
				t.Errorf("got %q of %d, want %q", got, read, test.want)
			}
		})
	}
}

// The JSON of invoice list is a contract.
func TestList_JSON(t *testing.T) {
	t.Parallel()
	record := full()
	record.LeaseUntil = now.Unix() + 1
	listing, err := inspect.List(t.Context(), heads{all: []billing.Record{record}}, ledgerOf, inspect.Filter{}, now, func() {})
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	if err := cli.WriteJSON(&got, listing); err != nil {
		t.Fatal(err)
	}
	const want = `{
  "invoices": [
    {
      "invoice_id": "draft_1",
      "customer_id": "ada",
      "subscription_ids": [
        "sub_draft_1"
      ],
      "currency_code": "EUR",
      "amount": 100,
      "state": "rejected",
      "resume": "settling",
      "outcome": "closed",
      "reason": "line_removed",
      "held": true,
      "owned": true,
      "attempts": 2,
      "sending_since": "2026-01-01T00:00:01Z",
      "gone_at": "2026-01-01T00:00:02Z",
      "final_invoice_id": "inv_1",
      "updated_at": "2026-01-01T00:00:03Z"
    }
  ]
}
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &got, want)
	}
}

func TestList_Error(t *testing.T) {
	t.Parallel()
	broken := errors.New("table is gone")
	if _, err := inspect.List(t.Context(), heads{all: []billing.Record{full()}, err: broken}, ledgerOf, inspect.Filter{}, now, func() {}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
