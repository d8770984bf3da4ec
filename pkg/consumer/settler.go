package consumer

import (
	"context"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/dynamostore"
	"github.com/billable-events/billable/pkg/settlement"
)

// settle has call do what takes a settler, with the head of the invoice with the given draft
// or final id; one that the ledger does not know has only its id.
func (a *app) settle(ctx context.Context, id string, call func(*settlement.Settler, billing.Head) error) error {
	settings, aws, err := a.connect(ctx, config.ChargebeeSite, config.ChargebeeKey)
	if err != nil {
		return err
	}
	store := newStore(aws, settings)
	head, ok, err := store.FindHead(ctx, id)
	switch {
	case err != nil:
		return err
	case !ok || head.State == "": // an item without a state is one of the ledger's own
		head = billing.Head{InvoiceID: id}
	}
	return callSite(ctx, settings, store, func(site site) error {
		return call(a.settler(settings, store, site), head)
	})
}

// settler is the settler of a command.
func (a *app) settler(settings config.Consumer, store *dynamostore.Store, site site) *settlement.Settler {
	return &settlement.Settler{
		Ledger:   store,
		Claims:   store,
		Events:   store,
		Charger:  site,
		Invoices: site,
		Pacer:    site,
		Breaker:  settlement.NewBreaker(time.Now),
		Observer: mismatches{a},
		Now:      time.Now,
		Settings: settlementSettings(settings),
	}
}

// mismatches tells the operator about events that are not as the ledger says.
type mismatches struct{ app *app }

// Handled implements settlement.Observer: a command handles no message.
func (mismatches) Handled(settlement.Report) {}

// Mismatched implements settlement.Observer.
func (m mismatches) Mismatched(invoiceID string, event billing.ChangedEvent) {
	_, _ = fmt.Fprintf(m.app.process.Stderr, "event %s is not claimed for %s (status %q, invoice %q): it is left as found\n",
		event.EventKey, invoiceID, event.Status, event.InvoiceID)
}
