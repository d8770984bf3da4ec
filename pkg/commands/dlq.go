package commands

import (
	"errors"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

// withFilter adds the flags that select dead letters.
func withFilter(filter *deadletter.Filter, cmd *cobra.Command) *cobra.Command {
	flags := cmd.Flags()
	reasons := append(billing.Reasons(), deadletter.NoReason)
	cli.ChoiceVar(flags, (*billing.Reason)(&filter.Reason), "reason", "reason", "only this reason ("+deadletter.NoReason+": moved by the SQS redrive policy)", reasons)
	flags.StringVar(&filter.Customer, "customer", "", "only this customer")
	flags.StringVar(&filter.Subscription, "subscription", "", "only invoices of this subscription")
	flags.StringVar(&filter.Invoice, "invoice", "", "only this pending invoice")
	flags.StringVar(&filter.Event, "event", "", "only this event or message id")
	cli.DurationVar(flags, &filter.OlderThan, "older-than", 0, "only failures older than this, for example 48h or 7d")
	cli.DurationVar(flags, &filter.NewerThan, "newer-than", 0, "only failures newer than this, for example 30m")
	return cmd
}

// deadLetterQueue returns the dead-letter queue for replay and discard.
func (d Deps) deadLetterQueue() deadletter.Queue {
	return deadletter.Queue{
		Messages: d.deadLetterBrowser(),
		Records:  d.store(),
		Remover:  sqsqueue.NewQueue(d.sqs(), d.Settings.Queue.DeadLetterURL, d.Settings.Worker.VisibilityTimeout),
		Now:      time.Now,
	}
}

// runOnDeadLetters runs a replay or a discard, shows its progress and its result, and returns its error. There is no
// result to show if it failed before the first message was processed, with an error other than deadletter.ErrPartial.
func (a *app) runOnDeadLetters(run func(deadletter.Progress) (deadletter.Result, error)) error {
	progress := cli.NewProgress(a.process.Stderr, "processed")
	result, err := run(deadletter.Progress{
		Done:    func(deadletter.MessageResult) { progress.Add(1) },
		Waiting: progress.Wait,
	})
	progress.Finish()
	if err == nil || len(result.Messages) > 0 || errors.Is(err, deadletter.ErrPartial) {
		a.writeResult(result, func() { a.writeDeadLetterResult(result) })
	}
	return err
}

func (a *app) writeDeadLetterResult(result deadletter.Result) {
	if len(result.Messages) == 0 {
		text := "No matching dead letters."
		if !result.Complete {
			text += " " + incompleteListing
		}
		a.printLinef("%s", text)
		return
	}
	var rows [][]string
	for _, action := range deadletter.Actions {
		if count := result.Counts[action]; count > 0 {
			rows = append(rows, []string{string(action), strconv.Itoa(count)})
		}
	}
	a.writeTable([]cli.Column{{Title: "action"}, {Title: "count", Right: true}}, rows)
	for _, message := range result.Messages {
		if message.Error != nil {
			a.printLinef("%s %s: %s", message.MessageID, message.Action, *message.Error)
		}
	}
	switch {
	case result.DryRun:
		a.printDryRun()
	case result.Archive != nil:
		a.printLinef("Archived in %s: consumer dlq restore puts the messages back.", *result.Archive)
	}
}
