package commands

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/billing"
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
		Args:    cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			deps, err := a.connect(cmd.Context(), config.DeadLetterURL)
			if err != nil {
				return err
			}
			now := time.Now()
			listing, err := deadletter.List(cmd.Context(), deps.deadLetters(), deps.store(), filter, now)
			if err != nil {
				return err
			}
			return writeListing(a, listing, listing.Messages, func() error { return a.writeDeadLetters(listing, now) })
		},
	}))
}

func (a *app) writeDeadLetters(listing deadletter.Listing, now time.Time) error {
	if len(listing.Messages) == 0 {
		if !listing.Complete {
			return a.printLine("No matching dead letters. " + incompleteListing)
		}
		return a.printLine("There are no dead letters.")
	}
	if err := a.writeDeadLetterGroups(listing.Groups, now); err != nil {
		return err
	}
	if err := a.writeDeadLetterMessages(listing.Messages, now); err != nil {
		return err
	}
	if !listing.Complete {
		return a.printLine("\n" + incompleteListing)
	}
	return nil
}

const incompleteListing = "Incomplete: " + deadletter.Incomplete + "."

func (a *app) writeDeadLetterGroups(groups []deadletter.Group, now time.Time) error {
	var rows [][]string
	for _, group := range groups {
		var risks []string
		for _, risk := range group.AtRisk {
			risks = append(risks, amount(risk.Amount, risk.CurrencyCode))
		}
		rows = append(rows, []string{cli.OrNone(group.Reason), strconv.Itoa(group.Count), cli.TimeOrNone(group.Oldest), cli.FormatAge(group.Oldest, now), cmp.Or(strings.Join(risks, ", "), none)})
	}
	columns := []cli.Column{{Title: "reason"}, {Title: "count", Right: true}, {Title: "oldest"}, {Title: "age", Right: true}, {Title: "at risk"}}
	return a.writeTable(columns, rows)
}

func (a *app) writeDeadLetterMessages(messages []deadletter.Message, now time.Time) error {
	var rows [][]string
	for _, message := range messages {
		rows = append(rows, []string{
			cli.TimeOrNone(message.FailedAt), cli.FormatAge(message.FailedAt, now), cli.OrNone(message.Reason), cli.OrNone(message.InvoiceID), *cmp.Or(message.EventID, &message.MessageID),
			message.MessageID, cli.OrNone(message.CustomerID), message.LedgerState, chargeAtRisk(message), strconv.Itoa(message.ReplayCount), cli.OrNone(message.Detail),
		})
	}
	columns := []cli.Column{
		{Title: "failed at", Wide: true}, {Title: "age", Right: true}, {Title: "reason"}, {Title: "invoice"}, {Title: "event"},
		{Title: "message", Wide: true}, {Title: "customer", Wide: true}, {Title: "ledger", Wide: true}, {Title: "at risk", Right: true},
		{Title: "replays", Right: true}, {Title: "detail", Below: true},
	}
	return a.writeNextTable(columns, rows)
}

// chargeAtRisk formats the charge at risk of a dead letter.
func chargeAtRisk(message deadletter.Message) string {
	if message.ChargeAtRisk == nil {
		return none
	}
	return amount(*message.ChargeAtRisk, message.CurrencyCode)
}

// amount formats an amount of minor units in the major unit.
func amount(minor int64, currencyCode *string) string {
	if currencyCode == nil {
		return billing.FormatAmount(minor, "")
	}
	return billing.FormatAmount(minor, *currencyCode)
}
