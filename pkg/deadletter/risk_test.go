package deadletter_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/queue"
)

// books are a ledger with plans. Each epoch is named after its invoice.
type books struct {
	heads

	plans map[string]billing.Plan
	read  func(invoiceID string) // which plans are; may be nil
	err   error                  // of reading a plan
}

func (b books) Plan(_ context.Context, invoiceID, epoch string) (billing.Plan, error) {
	if b.read != nil {
		b.read(invoiceID)
	}
	plan, ok := b.plans[invoiceID]
	switch {
	case b.err != nil:
		return plan, b.err
	case !ok || epoch != "epoch_"+invoiceID:
		return plan, fmt.Errorf("%w: %s", billing.ErrNotFound, epoch)
	default:
		return plan, nil
	}
}

// planOf is a plan with lines of these amounts.
func planOf(amounts ...int64) billing.Plan {
	var plan billing.Plan
	for _, amount := range amounts {
		plan.Lines = append(plan.Lines, billing.Line{Amount: amount})
	}
	return plan
}

// It is the sum of lines that are claimed and not billed. The lines of the plan are 1, 20, 300 and 0.
func TestList_ChargeAtRisk(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		head billing.Record
		want string
		read bool // the plan is
	}{
		"no head":                       {billing.Record{}, "-", false},
		"claiming":                      {billing.Record{State: billing.Claiming}, "-", false},
		"charging":                      {billing.Record{State: billing.Charging}, "321 EUR", true},
		"added lines stand on a draft":  {billing.Record{State: billing.Charging, Cursor: 2}, "321 EUR", true},
		"closing":                       {billing.Record{State: billing.Closing, Cursor: 4}, "321 EUR", true},
		"closed, events to be marked":   {billing.Record{State: billing.Settling, Outcome: billing.Closed}, "0 EUR", false},
		"a verdict that stands":         {billing.Record{State: billing.Settling, Dispositions: "ssss"}, "0 EUR", false},
		"a verdict that gives back":     {billing.Record{State: billing.Settling, Dispositions: "srrr"}, "0 EUR", false},
		"a verdict that holds":          {billing.Record{State: billing.Settling, Dispositions: "hhrr"}, "21 EUR", true},
		"a letter that is not known":    {billing.Record{State: billing.Settling, Dispositions: "s?ss"}, "20 EUR", true},
		"a verdict that is too short":   {billing.Record{State: billing.Settling, Dispositions: "hs"}, "301 EUR", true},
		"releasing":                     {billing.Record{State: billing.Releasing}, "-", false},
		"done":                          {billing.Record{State: billing.Finished, Outcome: billing.Closed}, "0 EUR", false},
		"rejected, given back":          {billing.Record{State: billing.Rejected, Resume: billing.Claiming}, "-", false},
		"rejected, being given back":    {billing.Record{State: billing.Rejected, Resume: billing.Releasing}, "-", false},
		"rejected while charging":       {billing.Record{State: billing.Rejected, Resume: billing.Charging, Cursor: 3}, "321 EUR", true},
		"rejected while closing":        {billing.Record{State: billing.Rejected, Resume: billing.Closing}, "321 EUR", true},
		"rejected with what is held":    {billing.Record{State: billing.Rejected, Resume: billing.Settling, Dispositions: "sshs"}, "300 EUR", true},
		"rejected with nothing held":    {billing.Record{State: billing.Rejected, Resume: billing.Settling, Dispositions: "srrs"}, "0 EUR", false},
		"rejected while it was settled": {billing.Record{State: billing.Rejected, Resume: billing.Settling}, "0 EUR", false},
		"a plan that is gone":           {billing.Record{State: billing.Charging, Epoch: "another"}, "-", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			record := test.head
			record.InvoiceID = "draft_1"
			if record.State == "" {
				record.InvoiceID = "another"
			}
			if record.Epoch == "" {
				record.Epoch = "epoch_draft_1"
			}
			read := false
			ledger := books{heads: knowing(record), plans: map[string]billing.Plan{"draft_1": planOf(1, 20, 300, 0)}, read: func(string) { read = true }}
			listing, err := deadletter.List(t.Context(), holding(queue.Message{ID: "m", Body: body("draft_1", "")}), ledger, deadletter.Filter{}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if got := risk(listing.Messages[0].ChargeAtRisk, listing.Messages[0].CurrencyCode); got != test.want || read != test.read {
				t.Errorf("got %s, want %s; the plan was read: %t", got, test.want, read)
			}
		})
	}
}

func risk(charge *int64, currency *string) string {
	if charge == nil {
		return "-"
	}
	return fmt.Sprint(*charge, " ", orDash(currency))
}

// Sums are per currency, with each invoice once: a message may have copies.
func TestList_GroupsAtRisk(t *testing.T) {
	t.Parallel()
	message := func(invoice, currency, reason string) queue.Message {
		dollars := strings.ReplaceAll(string(body(invoice, "")), "EUR", currency)
		return queue.Message{ID: invoice + reason, Body: []byte(dollars), Attributes: attributes("reason", reason)}
	}
	ledger := books{plans: map[string]billing.Plan{}}
	var known []billing.Record
	for i := range 5 {
		id := fmt.Sprintf("draft_%d", i)
		known = append(known, billing.Record{InvoiceID: id, State: billing.Charging, Epoch: "epoch_" + id})
		ledger.plans[id] = planOf(1 << i)
	}
	ledger.heads = knowing(known...)
	listing, err := deadletter.List(t.Context(), holding(
		message("draft_0", "USD", "too_old"), message("draft_1", "EUR", "too_old"), message("draft_2", "USD", "too_old"),
		message("draft_2", "USD", "too_old"), message("draft_3", "USD", ""), message("draft_9", "USD", "line_limits"),
		queue.Message{ID: "unreadable", Attributes: attributes("invoice_id", "draft_4")},
	), ledger, deadletter.Filter{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, group := range listing.Groups {
		text := orDash(group.Reason)
		for _, amount := range group.AtRisk {
			text += fmt.Sprintf(" %d %s", amount.Amount, orDash(amount.CurrencyCode))
		}
		got = append(got, text)
	}
	if want := "[too_old 2 EUR 5 USD - 16 - 8 USD line_limits]"; fmt.Sprint(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestList_UnreadablePlan(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	ledger := books{heads: knowing(billing.Record{InvoiceID: "draft_1", State: billing.Charging}), err: broken}
	_, err := deadletter.List(t.Context(), holding(queue.Message{ID: "m", Body: body("draft_1", "")}), ledger, deadletter.Filter{}, time.Now())
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// TestList_OldestOfGroup counts from the time of sending if the time of the failure is absent.
func TestList_OldestOfGroup(t *testing.T) {
	t.Parallel()
	sent := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	listing, err := deadletter.List(t.Context(), holding(
		queue.Message{ID: "a", SentAt: sent.Add(time.Hour)}, queue.Message{ID: "b", SentAt: sent}, queue.Message{ID: "c", SentAt: sent.Add(time.Minute)},
	), knowing(), deadletter.Filter{}, time.Now())
	if err != nil || len(listing.Groups) != 1 || !listing.Groups[0].Oldest.Equal(sent) {
		t.Errorf("got %+v, %v", listing.Groups, err)
	}
}
