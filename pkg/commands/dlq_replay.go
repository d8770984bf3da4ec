package commands

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

func (a *app) dlqReplay() *cobra.Command {
	var options deadletter.ReplayOptions
	cmd := withFilter(&options.Filter, a.withYesFlag(a.withOutput(&cobra.Command{
		Use:     "replay",
		Short:   "Send dead letters back to the queue",
		Example: "  consumer dlq replay --reason attempts_exhausted --yes",
		PreRunE: func(*cobra.Command, []string) error {
			if options.Limit < 0 {
				return cli.UsageError{Err: errors.New("--limit is less than 1")}
			}
			return nil
		},
		RunE: a.withDeps(func(ctx context.Context, deps Deps, _ []string) error {
			options.DryRun = !a.apply
			return a.runOnDeadLetters(func(progress deadletter.Progress) (deadletter.Result, error) {
				return deps.Replay(ctx, options, progress)
			})
		}, config.QueueURL, config.DeadLetterURL),
	})))
	cmd.Flags().BoolVar(&options.DropDone, "drop-done", false, "delete dead letters of finished invoices instead of skipping them")
	cmd.Flags().IntVar(&options.Limit, "limit", 0, "at most this number, the oldest failures first (default: all)")
	return cmd
}

// Replay sends the selected dead letters back to the queue.
func (d Deps) Replay(ctx context.Context, options deadletter.ReplayOptions, progress deadletter.Progress) (deadletter.Result, error) {
	replayer := &deadletter.Replayer{
		Queue:             d.deadLetterQueue(),
		Source:            sqsqueue.NewSender(d.sqs(), d.Settings.Queue.URL, nil),
		RateLimit:         d.store().RateLimit(),
		RequestsPerMinute: d.Settings.Chargebee.RequestsPerMinute,
	}
	return replayer.Run(ctx, options, progress)
}
