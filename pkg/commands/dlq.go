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
	flags.Var((*reasonValue)(&filter.Reason), "reason", "only this reason ("+deadletter.NoReason+": moved by the SQS redrive policy)")
	flags.StringVar(&filter.Customer, "customer", "", "only this customer")
	flags.StringVar(&filter.Subscription, "subscription", "", "only invoices of this subscription")
	flags.StringVar(&filter.Invoice, "invoice", "", "only this pending invoice")
	flags.StringVar(&filter.Event, "event", "", "only this event or message id")
	cli.DurationVar(flags, &filter.OlderThan, "older-than", 0, "only failures older than this, for example 48h or 7d")
	cli.DurationVar(flags, &filter.NewerThan, "newer-than", 0, "only failures newer than this, for example 30m")
	return cmd
}

// reasonValue is a flag whose value is a reason of a rejection, or deadletter.NoReason.
type reasonValue string

// String implements pflag.Value.
func (r *reasonValue) String() string { return string(*r) }

// Type implements pflag.Value.
func (*reasonValue) Type() string { return "reason" }

// Set implements pflag.Value.
func (r *reasonValue) Set(text string) error {
	reason, err := cli.ParseChoice(text, append(billing.Reasons(), deadletter.NoReason))
	*r = reasonValue(reason)
	return err
}

// deadLetterQueue returns the dead-letter queue with what replay and discard need.
func (d Deps) deadLetterQueue() deadletter.Queue {
	return deadletter.Queue{
		Messages: d.deadLetters(),
		Records:  d.store(),
		Remover:  sqsqueue.NewQueue(d.sqs(), d.Settings.Queue.DeadLetterURL, d.Settings.Worker.VisibilityTimeout),
		Now:      time.Now,
	}
}

// runOnDeadLetters runs a use case on dead letters, and shows its progress and its result. If
// no message was processed, it returns the error without a result, unless that is deadletter.ErrPartial.
func (a *app) runOnDeadLetters(run func(deadletter.Progress) (deadletter.Result, error)) error {
	progress := cli.NewProgress(a.process.Stderr, "processed")
	result, err := run(deadletter.Progress{
		Done:    func(deadletter.MessageResult) { progress.Add(1) },
		Waiting: progress.Wait,
	})
	progress.Finish()
	if err != nil && len(result.Messages) == 0 && !errors.Is(err, deadletter.ErrPartial) {
		return err
	}
	writeErr := a.writeResult(result, func() error { return a.writeDeadLetterResult(result) })
	return errors.Join(writeErr, err)
}

func (a *app) writeDeadLetterResult(result deadletter.Result) error {
	if len(result.Messages) == 0 {
		text := "No matching dead letters."
		if !result.Complete {
			text += " " + incompleteListing
		}
		return a.printLine("%s", text)
	}
	var rows [][]string
	for _, action := range deadletter.Actions {
		if count := result.Counts[action]; count > 0 {
			rows = append(rows, []string{string(action), strconv.Itoa(count)})
		}
	}
	if err := a.writeTable([]cli.Column{{Title: "action"}, {Title: "count", Right: true}}, rows); err != nil {
		return err
	}
	for _, message := range result.Messages {
		if message.Error != nil {
			if err := a.printLine("%s %s: %s", message.MessageID, message.Action, *message.Error); err != nil {
				return err
			}
		}
	}
	switch {
	case result.DryRun:
		return a.endDryRun()
	case result.Archive != nil:
		return a.printLine("Archived in %s: consumer dlq restore puts the messages back.", *result.Archive)
	default:
		return nil
	}
}
