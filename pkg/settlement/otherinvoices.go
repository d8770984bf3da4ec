package settlement

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/billable-events/billable/pkg/billing"
)

// otherInvoices finds rewritten events of a subscription (billing.Rewritten): the index shows them as
// unbilled, but another invoice claimed or billed them.
type otherInvoices struct {
	*Settler

	subscription string
	invoices     []billing.SubscriptionInvoice
	latest       int64 // date of the latest invoice, unix seconds
	seed         maphash.Seed
	pages        map[uint64]pageRef // by the hash of the event id, to save memory; nil until readClaims
}

// pageRef is the page of another invoice that has an event.
type pageRef struct {
	record  *billing.Record
	page    int
	settled bool // the invoice billed the event; otherwise it is in progress, or waits for an operator
}

// newOtherInvoices returns the invoices other than invoiceID that claimed events of a subscription.
func (s *Settler) newOtherInvoices(ctx context.Context, subscription, invoiceID string) (*otherInvoices, error) {
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

// find reports whether another invoice claimed the event, although the index shows it as unbilled. An invoice has
// only events that occurred before its date. So find reads pages only if the event is older than the latest date
// of the other invoices.
func (o *otherInvoices) find(ctx context.Context, event billing.Event) (rewritten billing.Rewritten, found bool, err error) {
	if event.OccurredAt >= o.latest { //mutant:late-event
		return rewritten, false, nil
	}
	if o.pages == nil {
		if err := o.readClaims(ctx); err != nil {
			return rewritten, false, err
		}
	}
	ref, found := o.pages[maphash.String(o.seed, event.EventID)]
	if !found {
		return rewritten, false, nil
	}
	page, err := o.readPage(ctx, *ref.record, ref.page)
	if err != nil {
		return rewritten, false, err
	}
	at := slices.IndexFunc(page.Events, func(claimed billing.Event) bool { return claimed.EventKey == event.EventKey })
	if at < 0 { // another event id with the same hash
		return rewritten, false, nil
	}
	return billing.Rewritten{
		Event: event, Claimed: page.Events[at], Settled: ref.settled,
		InvoiceID: ref.record.InvoiceID, FinalInvoiceID: ref.record.FinalInvoiceID, BilledAt: ref.record.UpdatedAt,
	}, true, nil
}

// readClaims reads the pages of the other invoices, as far as the ledger still has them.
func (o *otherInvoices) readClaims(ctx context.Context) error {
	o.pages = map[uint64]pageRef{}
	for _, invoice := range o.invoices {
		record, ok, err := o.Ledger.Record(ctx, invoice.ID)
		if err == nil && ok {
			err = o.readClaimsOf(ctx, record)
		}
		if err != nil && !errors.Is(err, billing.ErrNotFound) { // its items may have expired
			return fmt.Errorf("read the claims of %s: %w", invoice.ID, err)
		}
	}
	return nil
}

// readClaimsOf adds the events that an invoice claimed and did not release.
func (o *otherInvoices) readClaimsOf(ctx context.Context, record billing.Record) error {
	if record.Epoch == "" || record.ReleasesAll() {
		return nil
	}
	// An invoice that neither releases all claims nor holds any is settled. Without record.Dispositions it billed
	// all lines of the plan except credits (billing.Line.IsCredit), whose events it released.
	settled := !record.HoldsClaims()
	var dispositions map[billing.LineKey]billing.Disposition // nil while the lines are not decided
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
				o.pages[maphash.String(o.seed, event.EventID)] = pageRef{&record, number, settled}
			}
		}
	}
	return nil
}
