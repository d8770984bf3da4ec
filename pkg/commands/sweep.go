package commands

import (
	"context"
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
		RunE: a.withSiteDeps(func(ctx context.Context, deps Deps, _ []string) error {
			progress := cli.NewProgress(a.process.Stderr, "checked")
			setOptions(&options, consumer.SettlementSettings(deps.Settings))
			options.DryRun = !a.apply
			result, err := deps.sweeper(func() { progress.Add(1) }).Run(ctx, options)
			progress.Finish()
			a.writeResult(result, func() { a.writeSwept(result) })
			return err
		}, config.QueueURL, config.DeadLetterURL),
	}))
	cli.DurationVar(cmd.Flags(), &options.OlderThan, "older-than", time.Hour, "skip younger pending invoices: their webhook may still arrive")
	cli.DurationVar(cmd.Flags(), &options.EventsOlderThan, "events-older-than", 35*24*time.Hour, "report older unbilled events")
	cli.DurationVar(cmd.Flags(), &options.ChangedWithin, "voided-within", 8*24*time.Hour, "report billed invoices that were voided or deleted within this time")
	cmd.Flags().BoolVar(&options.CheckClaims, "check-claims", false, "also read the whole events table for claims that the ledger does not have, after a restore")
	return cmd
}

// setOptions sets the options that do not come from flags.
func setOptions(options *reconcile.Options, settings settlement.Settings) {
	options.MaxIdle = settings.MaxIdle()
	options.ListDelay = settings.MaxEffectDelay + settings.MaxSkew
	options.Close, options.CloseWithoutEvents = settings.Close, settings.CloseWithoutEvents
}

func (d Deps) sweeper(progress func()) *reconcile.Sweeper {
	client, store, queueURL := d.sqs(), d.store(), d.Settings.Queue.URL
	return &reconcile.Sweeper{
		Ledger:      store,
		Events:      store,
		DeadLetters: d.deadLetterBrowser(),
		Queue:       sweepQueue{sqsqueue.NewSender(client, queueURL, nil), client, queueURL},
		Now:         time.Now,
		CallSite: func(ctx context.Context, call func(reconcile.Site) error) error {
			return d.withSite(ctx, func(site limitedSite) error { return call(site) })
		},
		Progress: progress,
	}
}

// sweepQueue is the reconcile.Queue of the queue at url.
type sweepQueue struct {
	*sqsqueue.Sender

	client *sqs.Client
	url    string
}

func (q sweepQueue) Backlog(ctx context.Context) (reconcile.Backlog, error) {
	attributes, err := sqsqueue.Describe(ctx, q.client, q.url)
	return reconcile.Backlog{Visible: attributes.Visible, InFlight: attributes.InFlight, Delayed: attributes.Delayed}, err
}

func (a *app) writeSwept(swept reconcile.Result) {
	a.writeSweptCounts(swept)
	a.writeSweptInvoices(swept)
	a.writeSweptFindings(swept.Findings)
	if swept.DryRun {
		a.printDryRun()
	}
}

func (a *app) writeSweptCounts(swept reconcile.Result) {
	rows := [][]string{{"pending at Chargebee", strconv.Itoa(swept.Pending)}, {"enqueued", strconv.Itoa(len(swept.Enqueued))}}
	for _, skip := range reconcile.SkipReasons {
		if count := swept.Skipped[skip]; count > 0 {
			rows = append(rows, []string{"skipped: " + strings.ReplaceAll(string(skip), "_", " "), strconv.Itoa(count)})
		}
	}
	if failed := len(swept.Failed); failed > 0 {
		rows = append(rows, []string{"failed", strconv.Itoa(failed)})
	}
	a.writeTable([]cli.Column{{Title: "what"}, {Title: "count", Right: true}}, rows)
}

func (a *app) writeSweptInvoices(swept reconcile.Result) {
	var rows [][]string
	for _, sent := range swept.Enqueued {
		rows = append(rows, []string{sent.InvoiceID, sent.CustomerID, sent.Date.Format(time.RFC3339), string(sent.Reason), cli.OrNone(sent.MessageID), cli.None})
	}
	for _, failure := range swept.Failed {
		rows = append(rows, []string{failure.InvoiceID, cli.None, cli.None, "failed", cli.None, failure.Error})
	}
	a.writeNextTable([]cli.Column{
		{Title: "invoice"}, {Title: "customer"}, {Title: "date"}, {Title: "reason"}, {Title: "message", Wide: true}, {Title: "error", Below: true},
	}, rows)
}

func (a *app) writeSweptFindings(findings []reconcile.Finding) {
	var rows [][]string
	for _, found := range findings {
		rows = append(rows, []string{
			string(found.Level), found.Name, strconv.Itoa(found.Count), cli.TimeOrNone(found.Oldest), cli.TimeOrNone(found.Newest),
			found.Message, found.Solution, strings.Join(found.Examples, " "), formatByCurrency(found.Amounts),
		})
	}
	a.writeNextTable([]cli.Column{
		{Title: "level"}, {Title: "name"}, {Title: "count", Right: true}, {Title: "oldest"}, {Title: "newest"},
		{Title: "finding", Below: true}, {Title: "solution", Below: true}, {Title: "examples", Below: true},
		{Title: "charges", Below: true},
	}, rows)
}

// formatByCurrency formats amounts of minor units, by currency code.
func formatByCurrency(byCurrency map[string]int64) string {
	var texts []string
	for _, currencyCode := range slices.Sorted(maps.Keys(byCurrency)) {
		texts = append(texts, billing.FormatAmount(byCurrency[currencyCode], currencyCode))
	}
	return strings.Join(texts, ", ")
}
