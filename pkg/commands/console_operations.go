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
	return newChecker(o.Deps).run(ctx).Findings
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
func (o operations) DeadLetter(ctx context.Context, id string) (deadletter.Shown, console.Invoice, error) {
	details, err := o.deadLetterDetails(ctx, id)
	if err != nil {
		return deadletter.Shown{}, console.Invoice{}, err
	}
	var invoiceID string
	if details.InvoiceID != nil {
		invoiceID = *details.InvoiceID
	}
	return details.Shown, shownInvoice(invoiceID, details.invoiceDetails), nil
}

// Invoices implements console.Operations.
func (o operations) Invoices(ctx context.Context, filter inspect.Filter) (inspect.Listing, error) {
	return inspect.List(ctx, o.store(), o.store(), filter, time.Now(), func() {})
}

// Invoice implements console.Operations. A replay is predicted as that of its webhook.
func (o operations) Invoice(ctx context.Context, id string) (console.Invoice, error) {
	store := o.store()
	record, ok, err := store.FindRecord(ctx, id)
	if err != nil {
		return console.Invoice{}, err
	}
	var found *billing.Record
	var plan billing.Plan
	invoiceToRead := id
	if ok {
		found, id, invoiceToRead = &record, record.InvoiceID, record.CurrentInvoiceID()
		if plan, err = store.Plan(ctx, id, record.Epoch); err != nil && !errors.Is(err, billing.ErrNotFound) {
			return console.Invoice{}, err
		}
	}
	details, err := o.invoiceDetails(ctx, event.PendingInvoiceCreated, found, plan, invoiceToRead, true)
	switch {
	case err != nil:
		return console.Invoice{}, err
	case !ok && details.siteErr == nil && !details.Chargebee.Found:
		return console.Invoice{}, fmt.Errorf("%w: %s", inspect.ErrUnknown, id)
	default:
		return shownInvoice(id, details), nil
	}
}

func shownInvoice(id string, details invoiceDetails) console.Invoice {
	shown := console.Invoice{ID: id, Ledger: details.Ledger, Chargebee: details.Chargebee.String(), SiteErr: details.siteErr, Replay: details.Replay}
	if details.Chargebee != nil {
		shown.SiteLines = details.Chargebee.lines
	}
	if details.preview != nil {
		plan := newPlanResult(*details.preview)
		shown.Preview = &console.Plan{Result: plan.summary(), CurrencyCode: plan.CurrencyCode, Events: plan.Events, Total: plan.Total, Lines: plan.Lines}
	}
	return shown
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
func (o operations) Release(ctx context.Context, order settlement.Order) (console.Release, error) {
	err := cmp.Or(checkNotes(order.NotCharged, order.Reason), o.checkInstallation(ctx)) // consumers may have started since
	if err != nil {
		return console.Release{}, err
	}
	released, err := Release(ctx, o.Deps, order)
	if err != nil {
		return console.Release{}, err
	}
	result := newReleaseResult(released, order.DryRun)
	shown := console.Release{Summary: result.summary(), Changes: result.Held, Currency: result.CurrencyCode}
	for _, line := range result.Lines {
		shown.Lines = append(shown.Lines, console.ReleasedLine{Line: line.Line, Becomes: line.Becomes})
	}
	return shown, nil
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
