package commands

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/consumer"
	"github.com/billable-events/billable/pkg/reconcile"
	"github.com/billable-events/billable/pkg/settlement"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

func (a *app) sweep() *cobra.Command {
	var options reconcile.Options
	cmd := a.withYesFlag(a.withOutput(&cobra.Command{
		Use:     "sweep",
		Short:   "Enqueue pending invoices without message, report stuck claims",
		Long:    "Enqueue pending invoices whose webhook never arrived, and report claims and events that are not being billed.",
		Example: "  consumer sweep --older-than 2h --yes",
		Args:    cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			deps, err := a.connectSite(cmd.Context(), config.QueueURL, config.DeadLetterURL)
			if err != nil {
				return err
			}
			client, store, queueURL := deps.sqs(), deps.store(), deps.Settings.Queue.URL
			progress := cli.NewProgress(a.process.Stderr, "checked")
			sweeper := &reconcile.Sweeper{
				Ledger:      store,
				Events:      store,
				DeadLetters: deps.deadLetters(),
				Queue:       sweepQueue{sqsqueue.NewSender(client, queueURL, nil), client, queueURL},
				Now:         time.Now,
				CallSite: func(ctx context.Context, call func(reconcile.Site) error) error {
					return deps.withSite(ctx, func(site site) error { return call(site) })
				},
				Progress: func() { progress.Add(1) },
			}
			setOptions(&options, consumer.SettlementSettings(deps.Settings))
			options.DryRun = !a.apply
			result, err := sweeper.Run(cmd.Context(), options)
			progress.Finish()
			return errors.Join(a.writeResult(result, func() error { return a.writeSwept(result) }), err)
		},
	}))
	cli.DurationVar(cmd.Flags(), &options.OlderThan, "older-than", time.Hour, "skip younger pending invoices: their webhook may still arrive")
	cli.DurationVar(cmd.Flags(), &options.EventsOlderThan, "events-older-than", 35*24*time.Hour, "report older unbilled events")
	cli.DurationVar(cmd.Flags(), &options.ChangedWithin, "voided-within", 8*24*time.Hour, "report billed invoices that were voided or deleted within this time")
	cmd.Flags().BoolVar(&options.CheckClaims, "check-claims", false, "also read the whole events table for claims that the ledger does not have, after a restore")
	return cmd
}

// setOptions sets the options that follow from the settings of settlement.
func setOptions(options *reconcile.Options, settings settlement.Settings) {
	options.MaxIdle = settings.MaxIdle()
	options.ListDelay = settings.MaxEffectDelay + settings.MaxSkew
	options.Close, options.CloseWithoutEvents = settings.Close, settings.CloseWithoutEvents
}

// sweepQueue is a reconcile.Queue.
type sweepQueue struct {
	*sqsqueue.Sender

	client *sqs.Client
	url    string
}

func (q sweepQueue) Backlog(ctx context.Context) (reconcile.Backlog, error) {
	found, err := sqsqueue.Describe(ctx, q.client, q.url)
	return reconcile.Backlog{Visible: found.Visible, InFlight: found.InFlight, Delayed: found.Delayed}, err
}

func (a *app) writeSwept(swept reconcile.Result) error {
	if err := a.writeSweptCounts(swept); err != nil {
		return err
	}
	if err := a.writeSweptInvoices(swept); err != nil {
		return err
	}
	if err := a.writeSweptFindings(swept.Findings); err != nil {
		return err
	}
	if swept.DryRun {
		return a.endDryRun()
	}
	return nil
}

func (a *app) writeSweptCounts(swept reconcile.Result) error {
	rows := [][]string{{"pending at Chargebee", strconv.Itoa(swept.Pending)}, {"enqueued", strconv.Itoa(len(swept.Enqueued))}}
	for _, skip := range reconcile.SkipReasons {
		if count := swept.Skipped[skip]; count > 0 {
			rows = append(rows, []string{"skipped: " + strings.ReplaceAll(string(skip), "_", " "), strconv.Itoa(count)})
		}
	}
	if failed := len(swept.Failed); failed > 0 {
		rows = append(rows, []string{"failed", strconv.Itoa(failed)})
	}
	return a.writeTable([]cli.Column{{Title: "what"}, {Title: "count", Right: true}}, rows)
}

func (a *app) writeSweptInvoices(swept reconcile.Result) error {
	if len(swept.Enqueued)+len(swept.Failed) == 0 {
		return nil
	}
	var rows [][]string
	for _, one := range swept.Enqueued {
		rows = append(rows, []string{one.InvoiceID, one.CustomerID, one.Date.Format(time.RFC3339), string(one.Reason), cli.OrNone(one.MessageID), none})
	}
	for _, one := range swept.Failed {
		rows = append(rows, []string{one.InvoiceID, none, none, "failed", none, one.Error})
	}
	return a.writeNextTable([]cli.Column{
		{Title: "invoice"}, {Title: "customer"}, {Title: "date"}, {Title: "reason"}, {Title: "message", Wide: true}, {Title: "error", Below: true},
	}, rows)
}

func (a *app) writeSweptFindings(findings []reconcile.Finding) error {
	if len(findings) == 0 {
		return nil
	}
	var rows [][]string
	for _, found := range findings {
		rows = append(rows, []string{
			string(found.Level), found.Name, strconv.Itoa(found.Count), cli.TimeOrNone(found.Oldest), cli.TimeOrNone(found.Newest),
			found.Message, found.Solution, strings.Join(found.Examples, " "), amounts(found.Amounts),
		})
	}
	return a.writeNextTable([]cli.Column{
		{Title: "level"}, {Title: "name"}, {Title: "count", Right: true}, {Title: "oldest"}, {Title: "newest"},
		{Title: "finding", Below: true}, {Title: "solution", Below: true}, {Title: "examples", Below: true},
		{Title: "charges", Below: true},
	}, rows)
}

// amounts formats amounts of minor units by currency.
func amounts(byCurrency map[string]int64) string {
	var texts []string
	for _, currencyCode := range slices.Sorted(maps.Keys(byCurrency)) {
		texts = append(texts, billing.FormatAmount(byCurrency[currencyCode], currencyCode))
	}
	return strings.Join(texts, ", ")
}
