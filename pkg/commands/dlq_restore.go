package commands

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

type restoreResult struct {
	File     string `json:"file"`
	DryRun   bool   `json:"dry_run"`
	Messages int    `json:"messages"` // number of messages in the file
	Restored int    `json:"restored"` // number of messages that were sent
}

func (a *app) dlqRestore() *cobra.Command {
	var messages []queue.Message
	return a.withYesFlag(a.withOutput(&cobra.Command{
		Use:     "restore FILE",
		Short:   "Put discarded dead letters back",
		Long:    "Send the messages of an archive of dlq discard to the dead-letter queue, as they were. The file is kept. Restored twice, a message is there twice, which does no harm: the ledger decides.",
		Example: "  consumer dlq restore discarded-20261130T101421Z.jsonl --yes",
		Args:    cobra.ExactArgs(1),
		PreRunE: func(_ *cobra.Command, args []string) error {
			file, err := os.Open(args[0])
			if err != nil {
				return err
			}
			messages, err = deadletter.ReadArchive(file)
			return errors.Join(err, file.Close())
		},
		RunE: a.withDeps(func(ctx context.Context, deps Deps, args []string) error {
			return a.restore(ctx, deps, args[0], messages)
		}, config.DeadLetterURL),
	}))
}

func (a *app) restore(ctx context.Context, deps Deps, file string, messages []queue.Message) (err error) {
	result := restoreResult{File: file, DryRun: !a.apply, Messages: len(messages)}
	if a.apply {
		progress := cli.NewProgress(a.process.Stderr, "restored")
		sender := sqsqueue.NewSender(deps.sqs(), deps.Settings.Queue.DeadLetterURL, nil)
		err = deadletter.Restore(ctx, sender, messages, func() { progress.Add(1) })
		progress.Finish()
		result.Restored = progress.Steps()
	}
	a.writeResult(result, func() { a.writeRestored(result) })
	return err
}

func (a *app) writeRestored(result restoreResult) {
	if result.DryRun {
		a.printLinef("%d dead letters would be restored from %s.", result.Messages, result.File)
		a.printDryRun()
		return
	}
	a.printLinef("Restored %d of %d dead letters. The file is kept: restored again, a message is there twice, which does no harm.", result.Restored, result.Messages)
}
