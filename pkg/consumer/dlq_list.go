package consumer

import (
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/commandline"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/sqsqueue"
	"github.com/billable-events/billable/pkg/terminal"
)

func (a *app) dlqList() *cobra.Command {
	var filter deadletter.Filter
	return filtered(&filter, a.output(&cobra.Command{
		Use:   "list",
		Short: "List the dead letters with their reasons and what the ledger says about their invoices",
		Args:  commandline.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, aws, err := a.connect(cmd.Context(), config.DeadLetterURL)
			if err != nil {
				return err
			}
			letters := sqsqueue.NewDeadLetters(sqs.NewFromConfig(aws), settings.Queue.DeadLetterURL)
			listing, err := deadletter.List(cmd.Context(), letters, newStore(aws, settings), filter, time.Now())
			if err != nil {
				return err
			}
			if a.format == terminal.JSON {
				return terminal.WriteJSON(a.process.Stdout, listing)
			}
			return a.showLetters(listing)
		},
	}))
}

// filtered gives a command the flags that choose dead letters.
func filtered(filter *deadletter.Filter, cmd *cobra.Command) *cobra.Command {
	flags := cmd.Flags()
	flags.StringVar(&filter.Reason, "reason", "", "only those with this reason; "+deadletter.NoReason+": those that the queue moved itself")
	flags.StringVar(&filter.Customer, "customer", "", "only those of this customer")
	flags.StringVar(&filter.Subscription, "subscription", "", "only those of invoices of this subscription")
	flags.StringVar(&filter.Invoice, "invoice", "", "only those of this pending invoice")
	flags.StringVar(&filter.Event, "event", "", "only the one with this event or message id")
	flags.DurationVar(&filter.OlderThan, "older-than", 0, "only those that failed longer ago, as 90m or 48h")
	return cmd
}

func (a *app) showLetters(listing deadletter.Listing) error {
	if len(listing.Messages) == 0 && listing.Complete {
		_, err := fmt.Fprintln(a.process.Stdout, "There are no dead letters.")
		return err
	}
	var groups [][]string
	for _, group := range listing.Groups {
		groups = append(groups, []string{orNone(group.Reason), strconv.Itoa(group.Count), at(group.Oldest)})
	}
	columns := []terminal.Column{{Title: "reason"}, {Title: "count", Right: true}, {Title: "oldest"}}
	if err := terminal.WriteTable(a.process.Stdout, columns, groups); err != nil {
		return err
	}
	var rows [][]string
	for _, letter := range listing.Messages {
		rows = append(rows, []string{
			at(letter.FailedAt), orNone(letter.Reason), orNone(letter.InvoiceID), orNone(letter.CustomerID),
			letter.LedgerState, strconv.Itoa(letter.ReplayCount), orNone(letter.EventID), orNone(letter.Detail),
		})
	}
	columns = []terminal.Column{
		{Title: "failed at"}, {Title: "reason"}, {Title: "invoice"}, {Title: "customer"},
		{Title: "ledger"}, {Title: "replays", Right: true}, {Title: "event"}, {Title: "detail", Width: 80},
	}
	if _, err := fmt.Fprintln(a.process.Stdout); err != nil {
		return err
	}
	if err := terminal.WriteTable(a.process.Stdout, columns, rows); err != nil {
		return err
	}
	if listing.Complete {
		return nil
	}
	_, err := fmt.Fprintln(a.process.Stdout, "\nSome messages could not be seen: another reader holds them, or there are too many.")
	return err
}
