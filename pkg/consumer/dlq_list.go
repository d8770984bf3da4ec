package consumer

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

func (a *app) dlqList() *cobra.Command {
	var filter deadletter.Filter
	return filtered(&filter, a.output(&cobra.Command{
		Use:   "list",
		Short: "List the dead letters with their reasons, what the ledger says about their invoices, and the charge that hangs on them",
		Args:  cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, aws, err := a.connect(cmd.Context(), config.DeadLetterURL)
			if err != nil {
				return err
			}
			letters := sqsqueue.NewDeadLetters(sqs.NewFromConfig(aws), settings.Queue.DeadLetterURL)
			now := time.Now()
			listing, err := deadletter.List(cmd.Context(), letters, newStore(aws, settings), filter, now)
			if err != nil {
				return err
			}
			if a.format == cli.JSON {
				return cli.WriteJSON(a.process.Stdout, listing)
			}
			return a.showLetters(listing, now)
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

func (a *app) showLetters(listing deadletter.Listing, now time.Time) error {
	if len(listing.Messages) == 0 && listing.Complete {
		return a.say("There are no dead letters.")
	}
	var groups [][]string
	for _, group := range listing.Groups {
		var risks []string
		for _, risk := range group.AtRisk {
			risks = append(risks, money(risk.Amount, risk.CurrencyCode))
		}
		groups = append(groups, []string{orNone(group.Reason), strconv.Itoa(group.Count), at(group.Oldest), age(group.Oldest, now), cmp.Or(strings.Join(risks, ", "), none)})
	}
	columns := []cli.Column{{Title: "reason"}, {Title: "count", Right: true}, {Title: "oldest"}, {Title: "age", Right: true}, {Title: "at risk (minor units)"}}
	if err := cli.WriteTable(a.process.Stdout, columns, groups); err != nil {
		return err
	}
	var rows [][]string
	for _, letter := range listing.Messages {
		rows = append(rows, []string{
			at(letter.FailedAt), orNone(letter.Reason), orNone(letter.InvoiceID), orNone(letter.CustomerID),
			letter.LedgerState, riskOf(letter), strconv.Itoa(letter.ReplayCount), orNone(letter.EventID), orNone(letter.Detail),
		})
	}
	columns = []cli.Column{
		{Title: "failed at"}, {Title: "reason"}, {Title: "invoice"}, {Title: "customer"}, {Title: "ledger"},
		{Title: "at risk", Right: true}, {Title: "replays", Right: true}, {Title: "event"}, {Title: "detail", Width: 80},
	}
	if err := a.say(""); err != nil {
		return err
	}
	if err := cli.WriteTable(a.process.Stdout, columns, rows); err != nil || listing.Complete {
		return err
	}
	return a.say("\nSome messages could not be seen: another reader holds them, or there are too many.")
}

// riskOf is the charge that hangs on a letter.
func riskOf(letter deadletter.Letter) string {
	if letter.ChargeAtRisk == nil {
		return none
	}
	return money(*letter.ChargeAtRisk, letter.CurrencyCode)
}

// money is an amount in minor units.
func money(amount int64, currencyCode *string) string {
	return fmt.Sprintf("%d %s", amount, orNone(currencyCode))
}

// age is how long ago something was, in its two largest units.
func age(since *time.Time, now time.Time) string {
	if since == nil {
		return none
	}
	const day = 24 * time.Hour
	passed := max(now.Sub(*since), 0)
	days, hours, minutes := passed/day, passed%day/time.Hour, passed%time.Hour/time.Minute
	switch {
	case days > 0:
		return fmt.Sprintf("%dd%dh", days, hours)
	case hours > 0:
		return fmt.Sprintf("%dh%dm", hours, minutes)
	default:
		return fmt.Sprintf("%dm", minutes)
	}
}
