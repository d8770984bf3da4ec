package commands

import (
	"errors"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

func (a *app) dlqReplay() *cobra.Command {
	var options deadletter.ReplayOptions
	cmd := withFilter(&options.Filter, a.withYesFlag(a.withOutput(&cobra.Command{
		Use:   "replay",
		Short: "Send dead letters back to the queue",
		Args:  cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			deps, err := a.connect(cmd.Context(), config.QueueURL, config.DeadLetterURL)
			if err != nil {
				return err
			}
			replayer := &deadletter.Replayer{
				Queue:             deps.deadLetterQueue(),
				Source:            sqsqueue.NewSender(deps.sqs(), deps.Settings.Queue.URL, nil),
				RateLimit:         deps.store().RateLimit(),
				RequestsPerMinute: deps.Settings.Chargebee.RequestsPerMinute,
			}
			options.DryRun = !a.apply
			return a.runOnDeadLetters("replayed", func(progress deadletter.Progress) (deadletter.Result, error) {
				return replayer.Run(cmd.Context(), options, progress)
			})
		},
	})))
	cmd.Flags().BoolVar(&options.DropDone, "drop-done", false, "delete dead letters of finished invoices instead of skipping them")
	return cmd
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

// runOnDeadLetters runs a use case on dead letters. It shows the progress and, also after an early
// end, the result.
func (a *app) runOnDeadLetters(done string, run func(deadletter.Progress) (deadletter.Result, error)) error {
	progress := cli.NewProgress(a.process.Stderr, done)
	result, err := run(deadletter.Progress{
		Done:    func(deadletter.MessageResult) { progress.Add(1) },
		Waiting: progress.Wait,
	})
	progress.Done()
	if err != nil && len(result.Messages) == 0 && !errors.Is(err, deadletter.ErrPartial) {
		return err
	}
	return errors.Join(a.writeResult(result, func() error { return a.writeDeadLetterResult(result) }), err)
}

func (a *app) writeDeadLetterResult(result deadletter.Result) error {
	if len(result.Messages) == 0 {
		if !result.Complete {
			return a.printf("No matching dead letters (incomplete scan).")
		}
		return a.printf("No matching dead letters.")
	}
	var rows [][]string
	for _, action := range deadletter.Actions {
		if count := result.Counts[action]; count > 0 {
			rows = append(rows, []string{string(action), strconv.Itoa(count)})
		}
	}
	if err := a.writeTable([]cli.Column{{Title: "what"}, {Title: "count", Right: true}}, rows); err != nil {
		return err
	}
	for _, step := range result.Messages {
		if step.Error != nil {
			if err := a.printf("%s %s: %s", step.MessageID, step.Action, *step.Error); err != nil {
				return err
			}
		}
	}
	if result.DryRun {
		return a.printf(dryRun)
	}
	return nil
}
