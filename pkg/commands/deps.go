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

	// Mismatch is called for each event that does not match the ledger, and is left unchanged.
	Mismatch func(text string)
}

// operatorCommand is the work of a command with its dependencies.
type operatorCommand func(ctx context.Context, deps Deps, args []string) error

// connected returns the RunE of a command that requires keys to have a value. It loads the settings and the AWS
// configuration.
func (a *app) connected(run operatorCommand, required ...string) func(*cobra.Command, []string) error {
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

// connectedSite is connected for a command that calls Chargebee and uses the ledger. It requires that the ledger
// belongs to the site, and that no bound is below that of a running consumer.
func (a *app) connectedSite(run operatorCommand, required ...string) func(*cobra.Command, []string) error {
	checked := func(ctx context.Context, deps Deps, args []string) error {
		if err := deps.checkInstallation(ctx); err != nil {
			return err
		}
		return run(ctx, deps, args)
	}
	return a.connected(checked, append(required, config.ChargebeeSite, config.ChargebeeKey)...)
}

// checkInstallation checks the settings of a command that calls Chargebee and uses the ledger.
func (d Deps) checkInstallation(ctx context.Context) error {
	found, err := d.store().Installation(ctx)
	if err != nil {
		return err
	}
	return found.Check(d.Settings, time.Now())
}

func (d Deps) store() *dynamostore.Store { return consumer.NewStore(d.AWS, d.Settings) }

func (d Deps) sqs() *sqs.Client { return sqs.NewFromConfig(d.AWS) }

func (d Deps) deadLetters() *sqsqueue.DeadLetters {
	return sqsqueue.NewDeadLetters(d.sqs(), d.Settings.Queue.DeadLetterURL)
}

// site makes the calls of a command to Chargebee, within the limit that all processes share.
type site struct {
	*chargebeeapi.Client
	*ratelimit.Limiter
}

// withSite calls fn, which calls Chargebee. During an operator pause it fails at once instead of
// blocking until the pause ends.
func (d Deps) withSite(ctx context.Context, fn func(site) error) error {
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
	defer lifecycle.Background(ctx, limiter.Run)()
	return fn(site{client, limiter})
}

func (d Deps) settler(site site) *settlement.Settler {
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

// withSettler calls fn with a settler, and the draft id and the record (nil if there is none) of the
// invoice with the given draft or final id.
func (d Deps) withSettler(ctx context.Context, id string, fn func(settler *settlement.Settler, invoiceID string, record *billing.Record) error) error {
	record, ok, err := d.store().FindRecord(ctx, id)
	if err != nil {
		return err
	}
	var found *billing.Record
	if ok {
		found, id = &record, record.InvoiceID
	}
	return d.withSite(ctx, func(site site) error { return fn(d.settler(site), id, found) })
}

// Release releases the claims of a rejected invoice, as the command invoice release does.
func (d Deps) Release(ctx context.Context, order settlement.Order) (released settlement.Release, err error) {
	err = d.withSite(ctx, func(site site) error {
		released, err = d.settler(site).Release(ctx, order)
		return err
	})
	return released, err
}

// mismatchObserver is a settlement.Observer that reports mismatches only.
type mismatchObserver func(text string)

// Handled implements settlement.Observer. Commands have no sessions.
func (mismatchObserver) Handled(context.Context, settlement.Report) {}

func (o mismatchObserver) Mismatched(invoiceID string, claimed billing.Event, found billing.ChangedEvent) {
	o(fmt.Sprintf("event %s is not as it was claimed for %s: status %q, invoice %q, claimed %q, now %q",
		found.EventKey, invoiceID, found.Status, found.InvoiceID, claimed.Values(), found.Current.Values()))
}
