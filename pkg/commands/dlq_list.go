package commands

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/deadletter"
)

func (a *app) dlqList() *cobra.Command {
	var filter deadletter.Filter
	return withFilter(&filter, a.withListingOutput(&cobra.Command{
		Use:     "list",
		Short:   "List dead letters with reasons and charge at risk",
		Example: "  consumer dlq list --reason invalid_event --older-than 7d",
		RunE: a.withDeps(func(ctx context.Context, deps Deps, _ []string) error {
			listing, err := deps.DeadLetters(ctx, filter)
			if err != nil {
				return err
			}
			writeListing(a, listing, listing.Messages, func() { a.writeDeadLetters(listing, time.Now()) })
			return nil
		}, config.DeadLetterURL),
	}))
}

// DeadLetters lists the dead letters that a filter selects.
func (d Deps) DeadLetters(ctx context.Context, filter deadletter.Filter) (deadletter.Listing, error) {
	return deadletter.List(ctx, d.deadLetterBrowser(), d.store(), filter, time.Now())
}

const incompleteListing = "Incomplete: " + deadletter.Incomplete + "."

func (a *app) writeDeadLetters(listing deadletter.Listing, now time.Time) {
	switch {
	case len(listing.Messages) > 0:
		a.writeDeadLetterGroups(listing.Groups, now)
		a.writeDeadLetterMessages(listing.Messages, now)
		if !listing.Complete {
			a.printLinef("\n" + incompleteListing)
		}
	case listing.Complete:
		a.printLinef("There are no dead letters.")
	default:
		a.printLinef("No matching dead letters. " + incompleteListing)
	}
}

func (a *app) writeDeadLetterGroups(groups []deadletter.Group, now time.Time) {
	var rows [][]string
	for _, group := range groups {
		var risks []string
		for _, risk := range group.AtRisk {
			risks = append(risks, formatAmount(risk.Amount, risk.CurrencyCode))
		}
		rows = append(rows, []string{
			cli.OrNone(group.Reason), strconv.Itoa(group.Count), cli.TimeOrNone(group.Oldest), cli.FormatAge(group.Oldest, now),
			cmp.Or(strings.Join(risks, ", "), cli.None),
		})
	}
	columns := []cli.Column{{Title: "reason"}, {Title: "count", Right: true}, {Title: "oldest"}, {Title: "age", Right: true}, {Title: "at risk"}}
	a.writeTable(columns, rows)
}

func (a *app) writeDeadLetterMessages(messages []deadletter.Message, now time.Time) {
	var rows [][]string
	for _, message := range messages {
		eventOrMessageID := *cmp.Or(message.EventID, &message.MessageID) // either selects the message in other commands
		rows = append(rows, []string{
			cli.TimeOrNone(message.FailedAt), cli.FormatAge(message.FailedAt, now), cli.OrNone(message.Reason), cli.OrNone(message.InvoiceID), eventOrMessageID,
			message.MessageID, cli.OrNone(message.CustomerID), message.LedgerState, chargeAtRisk(message), strconv.Itoa(message.ReplayCount), cli.OrNone(message.Detail),
		})
	}
	columns := []cli.Column{
		{Title: "failed at", Wide: true}, {Title: "age", Right: true}, {Title: "reason"}, {Title: "invoice"}, {Title: "event"},
		{Title: "message", Wide: true}, {Title: "customer", Wide: true}, {Title: "ledger", Wide: true}, {Title: "at risk", Right: true},
		{Title: "replays", Right: true}, {Title: "detail", Below: true},
	}
	a.writeNextTable(columns, rows)
}

func chargeAtRisk(message deadletter.Message) string {
	if message.ChargeAtRisk == nil {
		return cli.None
	}
	return formatAmount(*message.ChargeAtRisk, message.CurrencyCode)
}
