package settlement

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/billable-events/billable/pkg/billing"
)

// earlierInvoices finds events of a subscription that another invoice has claimed or billed, and that are
// unbilled because their producer wrote them again.
type earlierInvoices struct {
	*Settler

	subscription string
	invoices     []billing.EarlierInvoice
	latest       int64 // date of the latest one, unix seconds
	seed         maphash.Seed
	pages        map[uint64]claimedOn // by the hash of the event id, which takes less memory; nil until it is read
}

// claimedOn is a page of another invoice.
type claimedOn struct {
	record  *billing.Record
	page    int
	settled bool // the event is billed; otherwise the invoice is in progress, or waits for an operator
}

// earlierInvoices returns the other invoices that claimed events of a subscription.
func (s *Settler) earlierInvoices(ctx context.Context, subscription, invoiceID string) (*earlierInvoices, error) {
	invoices, err := s.Ledger.InvoicesOf(ctx, subscription)
	if err != nil {
		return nil, fmt.Errorf("read the invoices of %s: %w", subscription, err)
	}
	earlier := &earlierInvoices{Settler: s, subscription: subscription, seed: maphash.MakeSeed()}
	for _, invoice := range invoices {
		if invoice.ID != invoiceID {
			earlier.invoices = append(earlier.invoices, invoice)
			earlier.latest = max(earlier.latest, invoice.Date)
		}
	}
	return earlier, nil
}

// find returns the claim of an unbilled event by another invoice. Only an event that occurred before the
// date of such an invoice can be on it, so that the pages are read only for events that are late.
func (e *earlierInvoices) find(ctx context.Context, event billing.Event) (again billing.WrittenAgain, found bool, err error) {
	if event.OccurredAt >= e.latest { //mutant:late-event
		return again, false, nil
	}
	if e.pages == nil {
		if err := e.readPages(ctx); err != nil {
			return again, false, err
		}
	}
	on, found := e.pages[maphash.String(e.seed, event.EventID)]
	if !found {
		return again, false, nil
	}
	page, err := e.readPage(ctx, *on.record, on.page)
	if err != nil {
		return again, false, err
	}
	at := slices.IndexFunc(page.Events, func(claimed billing.Event) bool { return claimed.EventKey == event.EventKey })
	if at < 0 { // another event id with the same hash
		return again, false, nil
	}
	return billing.WrittenAgain{
		Event: event, Claimed: page.Events[at], Settled: on.settled,
		InvoiceID: on.record.InvoiceID, FinalInvoiceID: on.record.FinalInvoiceID, BilledAt: on.record.UpdatedAt,
	}, true, nil
}

// readPages reads the pages of all invoices that the ledger still has.
func (e *earlierInvoices) readPages(ctx context.Context) error {
	e.pages = map[uint64]claimedOn{}
	for _, invoice := range e.invoices {
		record, ok, err := e.Ledger.Record(ctx, invoice.ID)
		if err == nil && ok {
			err = e.readInvoicePages(ctx, record)
		}
		if err != nil && !errors.Is(err, billing.ErrNotFound) { // its items may expire
			return fmt.Errorf("read the claims of %s: %w", invoice.ID, err)
		}
	}
	return nil
}

func (e *earlierInvoices) readInvoicePages(ctx context.Context, record billing.Record) error {
	releasing := record.State == billing.Releasing || record.Resume == billing.Releasing
	if record.Epoch == "" || record.ClaimsReleased() || releasing || record.Outcome == billing.Released {
		return nil
	}
	var dispositions map[billing.LineKey]billing.Disposition // nil: none is decided
	settled := !record.HoldsClaims()
	if settled || record.Dispositions != "" {
		plan, err := e.Claims.Plan(ctx, record.InvoiceID, record.Epoch)
		if err != nil {
			return err
		}
		dispositions = lineDispositions(plan, record.Dispositions)
	}
	for number := range record.Pages {
		page, err := e.readPage(ctx, record, number)
		if err != nil {
			return err
		}
		for _, event := range page.Events {
			released := dispositions[event.Line()] == billing.NotCharged
			if event.SubscriptionID == e.subscription && event.Fault == "" && !released {
				e.pages[maphash.String(e.seed, event.EventID)] = claimedOn{&record, number, settled}
			}
		}
	}
	return nil
}
