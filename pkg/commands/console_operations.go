package commands

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/console"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/event"
	"github.com/billable-events/billable/pkg/inspect"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/results"
	"github.com/billable-events/billable/pkg/settlement"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

// operations implements console.Operations. The operations that commands also run are methods of Deps.
type operations struct {
	Deps

	archives string // directory of the archives of discarded dead letters
}

func (o operations) Queues(ctx context.Context) (console.Queues, error) {
	main, mainErr := sqsqueue.Describe(ctx, o.sqs(), o.Settings.Queue.URL)
	dead, deadErr := sqsqueue.Describe(ctx, o.sqs(), o.Settings.Queue.DeadLetterURL)
	return console.Queues{Main: main, DeadLetters: dead}, errors.Join(mainErr, deadErr)
}

func (o operations) RateLimit(ctx context.Context) (console.RateLimit, error) {
	state, err := o.store().RateLimit().Read(ctx)
	limit := o.Settings.Chargebee.RequestsPerMinute
	return console.RateLimit{
		State: state, InUse: int64(limit) * state.Scale / ratelimit.FullScale, Spent: state.Spent(limit, o.Settings.RateLimit.Jitter, time.Now()),
	}, err
}

// Filter parses the flags as the dlq commands do.
func (operations) Filter(flags url.Values) (filter deadletter.Filter, err error) {
	cmd := withFilter(&filter, &cobra.Command{})
	for name := range flags {
		err = errors.Join(err, cmd.Flags().Set(name, flags.Get(name)))
	}
	return filter, err
}

func (o operations) Invoices(ctx context.Context, filter inspect.Filter) (inspect.Listing, error) {
	return inspect.List(ctx, o.store(), o.store(), filter, time.Now(), func() {})
}

// Invoice returns the invoice with a draft or final id, from the ledger and Chargebee, and predicts a replay of its
// webhook event. The error is inspect.ErrUnknown if neither has the invoice.
func (o operations) Invoice(ctx context.Context, id string) (results.Invoice, error) {
	query := invoiceQuery{eventType: event.PendingInvoiceCreated, invoiceToRead: id, withEvents: true}
	record, plan, err := inspect.Find(ctx, o.store(), id)
	inLedger := err == nil
	switch {
	case inLedger:
		id, query.record, query.plan, query.invoiceToRead = record.InvoiceID, &record, plan, record.CurrentInvoiceID()
	case !errors.Is(err, inspect.ErrUnknown):
		return results.Invoice{}, err
	}
	shown, err := o.showInvoice(ctx, query)
	shown.ID = id
	if err == nil && !inLedger && shown.SiteErr == nil && !shown.Chargebee.Found {
		err = fmt.Errorf("%w: %s", inspect.ErrUnknown, id)
	}
	return shown, err
}

func (o operations) Discard(ctx context.Context, options deadletter.DiscardOptions, release bool, progress deadletter.Progress) (deadletter.Result, error) {
	archive := filepath.Join(o.archives, archiveName(time.Now()))
	return o.discard(ctx, discardOptions{DiscardOptions: options, path: archive, release: release}, progress)
}

func (o operations) Release(ctx context.Context, order settlement.Order) (results.Release, error) {
	// Consumers may have started after the check at the start of the console.
	if err := errors.Join(checkNotes(order), o.requireInstallation(ctx)); err != nil {
		return results.Release{}, err
	}
	released, err := o.Deps.Release(ctx, order)
	return results.NewRelease(released, order.DryRun), err
}
