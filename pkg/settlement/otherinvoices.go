package settlement

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/billable-events/billable/pkg/billing"
)

// otherInvoices finds unbilled events of a subscription that another invoice has claimed or billed. Their
// producer wrote them again, and so overwrote the status and the invoice in the event.
type otherInvoices struct {
	*Settler

	subscription string
	invoices     []billing.SubscriptionInvoice
	latest       int64 // date of the latest one, unix seconds
	seed         maphash.Seed
	claims       map[uint64]pageRef // by the hash of the event id, which takes less memory; nil until readClaims
}

// pageRef is the page of another invoice that has an event.
type pageRef struct {
	record  *billing.Record
	page    int
	settled bool // the event is billed; otherwise the invoice is in progress, or waits for an operator
}

// otherInvoices returns the other invoices that claimed events of a subscription.
func (s *Settler) otherInvoices(ctx context.Context, subscription, invoiceID string) (*otherInvoices, error) {
	invoices, err := s.Ledger.InvoicesOf(ctx, subscription)
	if err != nil {
		return nil, fmt.Errorf("read the invoices of %s: %w", subscription, err)
	}
	others := &otherInvoices{Settler: s, subscription: subscription, seed: maphash.MakeSeed()}
	for _, invoice := range invoices {
		if invoice.ID != invoiceID {
			others.invoices = append(others.invoices, invoice)
			others.latest = max(others.latest, invoice.Date)
		}
	}
	return others, nil
}

// find returns the claim of an unbilled event by another invoice. Only an event that occurred before the
// date of such an invoice can be on it, so that the pages are read only for events that are late.
func (o *otherInvoices) find(ctx context.Context, event billing.Event) (again billing.WrittenAgain, found bool, err error) {
	if event.OccurredAt >= o.latest { //mutant:late-event
		return again, false, nil
	}
	if o.claims == nil {
		if err := o.readClaims(ctx); err != nil {
			return again, false, err
		}
	}
	ref, found := o.claims[maphash.String(o.seed, event.EventID)]
	if !found {
		return again, false, nil
	}
	page, err := o.readPage(ctx, *ref.record, ref.page)
	if err != nil {
		return again, false, err
	}
	at := slices.IndexFunc(page.Events, func(claimed billing.Event) bool { return claimed.EventKey == event.EventKey })
	if at < 0 { // another event id with the same hash
		return again, false, nil
	}
	return billing.WrittenAgain{
		Event: event, Claimed: page.Events[at], Settled: ref.settled,
		InvoiceID: ref.record.InvoiceID, FinalInvoiceID: ref.record.FinalInvoiceID, BilledAt: ref.record.UpdatedAt,
	}, true, nil
}

// readClaims reads the pages of all invoices that the ledger still has.
func (o *otherInvoices) readClaims(ctx context.Context) error {
	o.claims = map[uint64]pageRef{}
	for _, invoice := range o.invoices {
		record, ok, err := o.Ledger.Record(ctx, invoice.ID)
		if err == nil && ok {
			err = o.readClaimsOf(ctx, record)
		}
		if err != nil && !errors.Is(err, billing.ErrNotFound) { // its items may expire
			return fmt.Errorf("read the claims of %s: %w", invoice.ID, err)
		}
	}
	return nil
}

func (o *otherInvoices) readClaimsOf(ctx context.Context, record billing.Record) error {
	if record.Epoch == "" || record.ReleasesAll() {
		return nil
	}
	// Which events are billed depends on the plan also without dispositions: those of a credit are not.
	var dispositions map[billing.LineKey]billing.Disposition // empty while none is decided
	settled := !record.HoldsClaims()                         // as not all are released, some events are billed
	if settled || record.Dispositions != "" {
		plan, err := o.Claims.Plan(ctx, record.InvoiceID, record.Epoch)
		if err != nil {
			return err
		}
		dispositions = lineDispositions(plan, record.Dispositions)
	}
	for number := range record.Pages {
		page, err := o.readPage(ctx, record, number)
		if err != nil {
			return err
		}
		for _, event := range page.Events {
			released := dispositions[event.Line()] == billing.NotCharged
			if event.SubscriptionID == o.subscription && event.Fault == "" && !released {
				o.claims[maphash.String(o.seed, event.EventID)] = pageRef{&record, number, settled}
			}
		}
	}
	return nil
}
