package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/console"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/event"
	"github.com/billable-events/billable/pkg/inspect"
	"github.com/billable-events/billable/pkg/preflight"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/results"
	"github.com/billable-events/billable/pkg/settlement"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

// operations are the console.Operations: the use cases of the commands.
type operations struct {
	Deps

	archives string // directory
}

// Queues implements console.Operations.
func (o operations) Queues(ctx context.Context) (queues console.Queues, err error) {
	main, mainErr := sqsqueue.Describe(ctx, o.sqs(), o.Settings.Queue.URL)
	dead, deadErr := sqsqueue.Describe(ctx, o.sqs(), o.Settings.Queue.DeadLetterURL)
	return console.Queues{Main: main, DeadLetters: dead}, errors.Join(mainErr, deadErr)
}

// RateLimit implements console.Operations.
func (o operations) RateLimit(ctx context.Context) (console.RateLimit, error) {
	state, err := o.store().RateLimit().Read(ctx)
	limit := o.Settings.Chargebee.RequestsPerMinute
	return console.RateLimit{
		State: state, InUse: int64(limit) * state.Scale / ratelimit.FullScale, Spent: state.Spent(limit, o.Settings.RateLimit.Jitter, time.Now()),
	}, err
}

// Check implements console.Operations.
func (o operations) Check(ctx context.Context) []preflight.Finding {
	return newChecker(o.Deps).run(ctx)
}

// Filter implements console.Operations.
func (operations) Filter(flags url.Values) (filter deadletter.Filter, err error) {
	cmd := withFilter(&filter, &cobra.Command{})
	for name := range flags {
		err = errors.Join(err, cmd.Flags().Set(name, flags.Get(name)))
	}
	return filter, err
}

// DeadLetters implements console.Operations.
func (o operations) DeadLetters(ctx context.Context, filter deadletter.Filter) (deadletter.Listing, error) {
	return deadletter.List(ctx, o.deadLetters(), o.store(), filter, time.Now())
}

// DeadLetter implements console.Operations.
func (o operations) DeadLetter(ctx context.Context, id string) (results.DeadLetter, error) {
	return o.showDeadLetter(ctx, id)
}

// Invoices implements console.Operations.
func (o operations) Invoices(ctx context.Context, filter inspect.Filter) (inspect.Listing, error) {
	return inspect.List(ctx, o.store(), o.store(), filter, time.Now(), func() {})
}

// Invoice implements console.Operations. A replay is predicted as that of its webhook.
func (o operations) Invoice(ctx context.Context, id string) (results.Invoice, error) {
	store := o.store()
	record, ok, err := store.FindRecord(ctx, id)
	if err != nil {
		return results.Invoice{}, err
	}
	query := invoiceQuery{eventType: event.PendingInvoiceCreated, invoiceToRead: id, withEvents: true}
	if ok {
		id, query.record, query.invoiceToRead = record.InvoiceID, &record, record.CurrentInvoiceID()
		if query.plan, err = store.Plan(ctx, id, record.Epoch); err != nil && !errors.Is(err, billing.ErrNotFound) {
			return results.Invoice{}, err
		}
	}
	shown, err := o.showInvoice(ctx, query)
	shown.ID = id
	if err == nil && !ok && shown.SiteErr == nil && !shown.Chargebee.Found {
		err = fmt.Errorf("%w: %s", inspect.ErrUnknown, id)
	}
	return shown, err
}

// Replay implements console.Operations.
func (o operations) Replay(ctx context.Context, options deadletter.ReplayOptions, progress deadletter.Progress) (deadletter.Result, error) {
	return o.replayer().Run(ctx, options, progress)
}

// Discard implements console.Operations.
func (o operations) Discard(ctx context.Context, options deadletter.DiscardOptions, release bool, progress deadletter.Progress) (deadletter.Result, error) {
	if release {
		if err := o.checkInstallation(ctx); err != nil { // consumers may have started since
			return deadletter.Result{}, err
		}
	}
	return o.discard(ctx, discardOptions{DiscardOptions: options, path: filepath.Join(o.archives, archiveName(time.Now())), release: release}, progress)
}

// Release implements console.Operations.
func (o operations) Release(ctx context.Context, order settlement.Order) (results.Release, error) {
	if err := cmp.Or(checkNotes(order), o.checkInstallation(ctx)); err != nil { // consumers may have started since
		return results.Release{}, err
	}
	released, err := Release(ctx, o.Deps, order)
	return results.NewRelease(released, order.DryRun), err
}

// Pause implements console.Operations.
func (o operations) Pause(ctx context.Context, reason string, dryRun bool) error {
	if err := checkPauseReason(reason); err != nil {
		return err
	}
	return o.pause(ctx, reason, dryRun)
}

// Resume implements console.Operations.
func (o operations) Resume(ctx context.Context, dryRun bool) (ratelimit.OperatorPause, error) {
	return o.resume(ctx, dryRun)
}
