package consumer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/ledger"
	"github.com/billable-events/billable/pkg/settlement"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

func (a *app) sweep() *cobra.Command {
	var rules ledger.Rules
	cmd := a.confirmed(a.output(&cobra.Command{
		Use:   "sweep",
		Short: "Enqueue pending invoices whose webhook never arrived, and report claims and events that nobody bills",
		Args:  cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if rules.OlderThan < 0 || rules.EventsOlderThan < 0 {
				return cli.UsageError{Err: errors.New("--older-than and --events-older-than are not below 0: say 90m or 840h")}
			}
			settings, aws, err := a.connect(cmd.Context(), config.QueueURL, config.DeadLetterURL, config.ChargebeeSite, config.ChargebeeKey)
			if err != nil {
				return err
			}
			client, store := sqs.NewFromConfig(aws), newStore(aws, settings)
			progress := cli.NewProgress(a.process.Stderr, "looked at")
			sweeper := &ledger.Sweeper{
				Book:    store,
				Events:  store,
				Letters: sqsqueue.NewDeadLetters(client, settings.Queue.DeadLetterURL),
				Queue:   sweptQueue{sqsqueue.NewSender(client, settings.Queue.URL, nil), client, settings.Queue.URL},
				Now:     time.Now,
				CallSite: func(ctx context.Context, call func(ledger.Site) error) error {
					return callSite(ctx, settings, Surroundings{AWS: aws}, func(site site) error { return call(site) })
				},
				Progress: func() { progress.Add(1) },
			}
			sweepRules(&rules, settlementSettings(settings))
			rules.DryRun = !a.yes
			result, err := sweeper.Run(cmd.Context(), rules)
			progress.Done()
			return errors.Join(a.showSwept(result), err)
		},
	}))
	cmd.Flags().DurationVar(&rules.OlderThan, "older-than", time.Hour, "leave pending invoices alone that are younger: their webhook may still arrive")
	cmd.Flags().DurationVar(&rules.EventsOlderThan, "events-older-than", 35*24*time.Hour, "report unbilled events that are older")
	return cmd
}

// sweepRules are the rules that follow from settlement's.
func sweepRules(rules *ledger.Rules, settings settlement.Settings) {
	rules.LongestWait = settings.LongestWait()
	rules.Shows = settings.MaxEffectDelay + settings.MaxSkew
	rules.Close, rules.CloseWithoutEvents = settings.Close, settings.CloseWithoutEvents
}

// sweptQueue is a ledger.Queue.
type sweptQueue struct {
	*sqsqueue.Sender

	client *sqs.Client
	url    string
}

func (q sweptQueue) Backlog(ctx context.Context) (ledger.Backlog, error) {
	found, err := sqsqueue.Describe(ctx, q.client, q.url)
	return ledger.Backlog{Visible: found.Visible, InFlight: found.InFlight, Delayed: found.Delayed}, err
}

func (a *app) showSwept(swept ledger.Swept) error {
	if a.format == cli.JSON {
		return cli.WriteJSON(a.process.Stdout, swept)
	}
	if err := a.showSweptCounts(swept); err != nil {
		return err
	}
	if err := a.showSweptInvoices(swept); err != nil {
		return err
	}
	if err := a.showSweptFindings(swept.Findings); err != nil {
		return err
	}
	if swept.DryRun {
		return a.say("\nDry run: --yes enqueues them.")
	}
	return nil
}

func (a *app) showSweptCounts(swept ledger.Swept) error {
	rows := [][]string{{"pending at Chargebee", strconv.Itoa(swept.Pending)}, {"enqueued", strconv.Itoa(len(swept.Enqueued))}}
	for _, skip := range ledger.Skips {
		if count := swept.Skipped[skip]; count > 0 {
			rows = append(rows, []string{"skipped: " + strings.ReplaceAll(string(skip), "_", " "), strconv.Itoa(count)})
		}
	}
	if failed := len(swept.Failed); failed > 0 {
		rows = append(rows, []string{"failed", strconv.Itoa(failed)})
	}
	return cli.WriteTable(a.process.Stdout, []cli.Column{{Title: "what"}, {Title: "count", Right: true}}, rows)
}

func (a *app) showSweptInvoices(swept ledger.Swept) error {
	if len(swept.Enqueued)+len(swept.Failed) == 0 {
		return nil
	}
	var rows [][]string
	for _, one := range swept.Enqueued {
		rows = append(rows, []string{one.InvoiceID, one.CustomerID, one.Date.Format(time.RFC3339), string(one.Why), orNone(one.MessageID)})
	}
	for _, one := range swept.Failed {
		rows = append(rows, []string{one.InvoiceID, none, none, "failed", one.Error})
	}
	if _, err := fmt.Fprintln(a.process.Stdout); err != nil {
		return err
	}
	return cli.WriteTable(a.process.Stdout, []cli.Column{
		{Title: "invoice"}, {Title: "customer"}, {Title: "date"}, {Title: "why"}, {Title: "message", Width: 80},
	}, rows)
}

func (a *app) showSweptFindings(findings []ledger.Finding) error {
	if len(findings) == 0 {
		return nil
	}
	var rows [][]string
	for _, found := range findings {
		rows = append(rows, []string{
			string(found.Level), found.Name, strconv.Itoa(found.Count), at(found.Oldest), at(found.Newest),
			found.Finding, found.Remedy, strings.Join(found.Examples, " "),
		})
	}
	if _, err := fmt.Fprintln(a.process.Stdout); err != nil {
		return err
	}
	return cli.WriteTable(a.process.Stdout, []cli.Column{
		{Title: "level"}, {Title: "name"}, {Title: "count", Right: true}, {Title: "oldest"}, {Title: "newest"},
		{Title: "finding"}, {Title: "what to do"}, {Title: "such as"},
	}, rows)
}
