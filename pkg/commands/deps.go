package commands

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/chargebeeapi"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/consumer"
	"github.com/billable-events/billable/pkg/dynamostore"
	"github.com/billable-events/billable/pkg/lifecycle"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/settlement"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

// Deps are the dependencies of the commands.
type Deps struct {
	consumer.Deps

	Settings config.Consumer

	log zerolog.Logger

	// Mismatch is called with a description of each event that is not as it was claimed (settlement.Observer).
	Mismatch func(text string)
}

// runFunc runs a command with its dependencies and arguments.
type runFunc func(ctx context.Context, deps Deps, args []string) error

// withDeps returns a RunE that loads the settings and the AWS configuration, and then calls run. The required keys of
// the settings must have a value.
func (a *app) withDeps(run runFunc, required ...string) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		settings, logger, err := a.settings(required...)
		if err != nil {
			return err
		}
		cfg, err := consumer.LoadAWS(cmd.Context(), settings, logger)
		if err != nil {
			return cli.UsageError{Err: err}
		}
		deps := Deps{
			Deps:     consumer.Deps{AWS: cfg},
			Settings: settings,
			log:      logger,
			Mismatch: func(text string) { _, _ = fmt.Fprintln(a.process.Stderr, text) },
		}
		return run(cmd.Context(), deps, args)
	}
}

// withSiteDeps is withDeps for a command that calls Chargebee: it also requires the keys of the site, and calls
// requireInstallation before run.
func (a *app) withSiteDeps(run runFunc, required ...string) func(*cobra.Command, []string) error {
	checked := func(ctx context.Context, deps Deps, args []string) error {
		if err := deps.requireInstallation(ctx); err != nil {
			return err
		}
		return run(ctx, deps, args)
	}
	return a.withDeps(checked, append(required, config.ChargebeeSite, config.ChargebeeKey)...)
}

// requireInstallation returns an error if a process with these settings must not use the ledger: the ledger belongs to
// another site or has another version, or a bound is lower than that of a running consumer (installation.Refusal).
func (d Deps) requireInstallation(ctx context.Context) error {
	state, err := d.store().Installation(ctx)
	if err != nil {
		return err
	}
	return state.Check(d.Settings, time.Now())
}

func (d Deps) store() *dynamostore.Store { return consumer.NewStore(d.AWS, d.Settings) }

func (d Deps) sqs() *sqs.Client { return sqs.NewFromConfig(d.AWS) }

func (d Deps) deadLetterBrowser() *sqsqueue.DeadLetters {
	return sqsqueue.NewDeadLetters(d.sqs(), d.Settings.Queue.DeadLetterURL)
}

// limitedSite is the Chargebee site. Its calls need permits of the rate limiter that all processes share.
type limitedSite struct {
	*chargebeeapi.Client
	*ratelimit.Limiter
}

// withSite calls fn with the Chargebee site. If an operator pause is in force, it returns an error instead: the calls
// of fn would block until the pause ends.
func (d Deps) withSite(ctx context.Context, fn func(limitedSite) error) error {
	client, err := chargebeeapi.New(consumer.ChargebeeConfig(d.Settings, d.Deps))
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	store := d.store().RateLimit()
	state, err := store.Read(ctx)
	switch {
	case err != nil:
		return err
	case state.OperatorPause.InForce():
		return fmt.Errorf("calls to Chargebee are paused by an operator (%s): resume them with consumer resume --yes", state.OperatorPause.Reason)
	}
	cfg := consumer.LimiterConfig(d.Settings, store, d.Clock())
	cfg.Command = true
	limiter := ratelimit.New(cfg)
	stopLimiter := lifecycle.Background(ctx, limiter.Run)
	defer stopLimiter()
	return fn(limitedSite{client, limiter})
}

func (d Deps) settler(site limitedSite) *settlement.Settler {
	store := d.store()
	return &settlement.Settler{
		Ledger:      store,
		Claims:      store,
		Events:      store,
		Charger:     site,
		Invoices:    site,
		RateLimiter: site,
		Breaker:     settlement.NewBreaker(d.Clock()),
		Observer:    mismatchObserver(d.Mismatch),
		Now:         d.Clock(),
		Settings:    consumer.SettlementSettings(d.Settings),
	}
}

// withSettler finds the record of the invoice with a draft or final id. It calls fn with a settler, the draft id and the
// record. If there is no record, fn gets id and nil.
func (d Deps) withSettler(ctx context.Context, id string, fn func(settler *settlement.Settler, invoiceID string, record *billing.Record) error) error {
	found, ok, err := d.store().FindRecord(ctx, id)
	if err != nil {
		return err
	}
	var record *billing.Record
	if ok {
		record, id = &found, found.InvoiceID
	}
	return d.withSite(ctx, func(site limitedSite) error { return fn(d.settler(site), id, record) })
}

// Release executes an order to release the events of an invoice, like consumer invoice release.
func (d Deps) Release(ctx context.Context, order settlement.Order) (released settlement.Release, err error) {
	err = d.withSite(ctx, func(site limitedSite) error {
		released, err = d.settler(site).Release(ctx, order)
		return err
	})
	return released, err
}

// mismatchObserver is a settlement.Observer that describes each mismatch in a text.
type mismatchObserver func(text string)

// Handled does nothing: commands handle no messages.
func (mismatchObserver) Handled(context.Context, settlement.Report) {}

func (o mismatchObserver) Mismatched(invoiceID string, claimed billing.Event, found billing.ChangedEvent) {
	o(fmt.Sprintf("event %s is not as it was claimed for %s: status %q, invoice %q, claimed %q, now %q",
		found.EventKey, invoiceID, found.Status, found.InvoiceID, claimed.Values(), found.Current.Values()))
}
