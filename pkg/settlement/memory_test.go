package settlement_test

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/settlement"
)

// TestMemoryDoesNotGrowWithEvents: a session holds one page of them, and hashes of all. It runs by
// itself, since it looks at the heap of the whole process.
func TestMemoryDoesNotGrowWithEvents(t *testing.T) {
	few, many := settleMadeUp(t, 2_000), settleMadeUp(t, 100_000)
	const bound = 4 << 20 // a hundred thousand events are tens of megabytes; their hashes are not
	for _, moment := range []string{"claimed", "settled"} {
		if grown := many[moment] - few[moment]; grown > bound {
			t.Errorf("%s, 100,000 events take %d KB more than 2,000", moment, grown>>10)
		}
	}
}

// settleMadeUp settles an invoice with a number of events, and returns the bytes that were
// alive when the last one was claimed and when the last one was billed.
func settleMadeUp(t *testing.T, events int) map[string]int {
	t.Helper()
	site := &madeUp{events: events, alive: map[string]int{}}
	settler := &settlement.Settler{
		Ledger: site, Claims: site, Events: site, Charger: site, Invoices: site,
		RateLimiter: newLimiter(time.Now),
		Breaker:     settlement.NewBreaker(time.Now),
		Observer:    &observer{},
		Now:         time.Now,
		Settings:    settings,
	}
	body := `{"id":"ev_1","event_type":"pending_invoice_created","content":{"invoice":{"id":"draft"}}}`
	outcome := settler.Handle(t.Context(), &queue.Delivery{Message: queue.Message{Body: []byte(body)}})
	if outcome.Action != queue.Ack || site.head.Outcome != billing.Closed || site.claimed != events || site.billed != events {
		t.Fatalf("got %+v: %+v, %d claimed, %d billed", outcome, site.head, site.claimed, site.billed)
	}
	return site.alive
}

// madeUp is everything that a settler needs. It keeps no event: those that it shows it
// makes up when they are asked for.
type madeUp struct {
	settlement.Invoices // never asked for a list

	events          int
	head            billing.Record
	manifest        billing.Manifest
	plan            billing.Plan
	lines           []billing.InvoiceLine
	claimed, billed int

	alive map[string]int
}

func (m *madeUp) Claimed(context.Context) iter.Seq2[billing.ClaimedEvent, error] { return nil }

func (m *madeUp) InvoicesOf(context.Context, string) ([]billing.SubscriptionInvoice, error) {
	return nil, nil
}

func (m *madeUp) Invoice(context.Context, *ratelimit.Permit, billing.LinePage) (billing.Invoice, error) {
	return billing.Invoice{
		ID: "draft", CustomerID: "customer", SubscriptionID: "sub", CurrencyCode: "EUR",
		Status: billing.StatusPending, Date: time.Now().Unix(), Lines: m.lines,
	}, nil
}

func (m *madeUp) event(number int) billing.Event {
	return billing.Event{
		EventKey:     billing.EventKey{SubscriptionID: "sub", EventID: fmt.Sprintf("event_%08d", number)},
		OccurredAt:   int64(number),
		ChargeCode:   fmt.Sprintf("code_%d", number%7),
		Description:  fmt.Sprintf("what was used, as of event %d", number),
		Amount:       "12.5",
		CurrencyCode: "EUR",
		Size:         200,
	}
}

func (m *madeUp) Unbilled(context.Context, string, int64) iter.Seq2[billing.Event, error] {
	return func(yield func(billing.Event, error) bool) {
		for number := range m.events {
			if !yield(m.event(number), nil) {
				return
			}
		}
	}
}

func (m *madeUp) Record(context.Context, string) (billing.Record, bool, error) {
	return m.head, m.head.InvoiceID != "", nil
}

func (m *madeUp) Commit(_ context.Context, step billing.Step) error {
	if step.PreviousVersion != m.head.Version {
		return billing.ErrFenced
	}
	m.head = step.Record
	if step.Manifest != nil {
		m.manifest = *step.Manifest
	}
	if step.Plan != nil {
		m.plan = *step.Plan
	}
	if step.Claim != nil {
		if m.claimed += len(step.Claim.Events); m.claimed == m.events {
			m.measure("claimed")
		}
	}
	if len(step.Bill) > 0 {
		if m.billed += len(step.Bill); m.billed == m.events {
			m.measure("settled")
		}
	}
	return nil
}

func (m *madeUp) measure(moment string) {
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	m.alive[moment] = int(memory.HeapAlloc)
}

func (m *madeUp) Manifest(context.Context, string, string) (billing.Manifest, error) {
	return m.manifest, nil
}

func (m *madeUp) Plan(context.Context, string, string) (billing.Plan, error) { return m.plan, nil }

// Page shows the page as it was claimed: pages are filled in the order of the events.
func (m *madeUp) Page(_ context.Context, _, _ string, number int) (billing.Page, error) {
	page := billing.Page{Number: number}
	const size = billing.MaxPageEvents - 1 // and the subscription
	for i := number * size; i < min((number+1)*size, m.events); i++ {
		page.Events = append(page.Events, m.event(i))
	}
	return page, nil
}

func (m *madeUp) AddCharge(_ context.Context, _ *ratelimit.Permit, charge billing.Charge) (billing.Invoice, error) {
	m.lines = append(m.lines, billing.InvoiceLine{
		ID: charge.IdempotencyKey, EntityType: billing.EntityAdHoc, Description: charge.Description, Amount: charge.Amount,
	})
	return m.invoice("draft", billing.StatusPending), nil
}

func (m *madeUp) Close(context.Context, *ratelimit.Permit, billing.Close) (billing.Invoice, error) {
	return m.invoice("final", "payment_due"), nil
}

func (m *madeUp) APIKeyID() string { return "key" }

func (m *madeUp) invoice(id, status string) billing.Invoice {
	return billing.Invoice{ID: id, Status: status, Lines: m.lines}
}
