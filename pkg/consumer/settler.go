package consumer

import (
	"context"
	"fmt"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/settlement"
)

// Release gives the events of a rejected invoice back: what the command of that name does.
// mismatched is told of events that are not as the ledger says; they are left as found.
func Release(ctx context.Context, settings config.Consumer, around Surroundings, mismatched func(string), order settlement.Order) (released settlement.Release, err error) {
	err = callSite(ctx, settings, around, func(site site) error {
		released, err = newSettler(settings, around, site, mismatched).Release(ctx, order)
		return err
	})
	return released, err
}

// settle has call do what takes a settler, with the head of the invoice with the given draft
// or final id; one that the ledger does not know has only its id.
func (a *app) settle(ctx context.Context, id string, call func(*settlement.Settler, billing.Head) error) error {
	settings, aws, err := a.connect(ctx, config.ChargebeeSite, config.ChargebeeKey)
	if err != nil {
		return err
	}
	head, ok, err := newStore(aws, settings).FindHead(ctx, id)
	switch {
	case err != nil:
		return err
	case !ok || head.State == "": // an item without a state is one of the ledger's own
		head = billing.Head{InvoiceID: id}
	}
	around := Surroundings{AWS: aws}
	return callSite(ctx, settings, around, func(site site) error {
		return call(newSettler(settings, around, site, a.mismatched), head)
	})
}

// newSettler is the settler of a command.
func newSettler(settings config.Consumer, around Surroundings, site site, mismatched func(string)) *settlement.Settler {
	store := newStore(around.AWS, settings)
	return &settlement.Settler{
		Ledger:      store,
		Claims:      store,
		Events:      store,
		Charger:     site,
		Invoices:    site,
		RateLimiter: site,
		Breaker:     settlement.NewBreaker(around.now()),
		Observer:    mismatches(mismatched),
		Now:         around.now(),
		Settings:    settlementSettings(settings),
	}
}

// mismatched tells the operator about an event that is not as the ledger says.
func (a *app) mismatched(text string) { _, _ = fmt.Fprintln(a.process.Stderr, text) }

// mismatches are told, one by one.
type mismatches func(string)

// Handled implements settlement.Observer: a command handles no message.
func (mismatches) Handled(context.Context, settlement.Report) {}

// Mismatched implements settlement.Observer.
func (m mismatches) Mismatched(invoiceID string, event billing.ChangedEvent) {
	m(fmt.Sprintf("event %s is not claimed for %s (status %q, invoice %q): it is left as found", event.EventKey, invoiceID, event.Status, event.InvoiceID))
}
