package consumer

import (
	"errors"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

func (a *app) dlqReplay() *cobra.Command {
	var order deadletter.Order
	cmd := filtered(&order.Filter, a.confirmed(a.output(&cobra.Command{
		Use:   "replay",
		Short: "Put dead letters back into the queue; those of billed invoices are skipped",
		Args:  cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, aws, err := a.connect(cmd.Context(), config.QueueURL, config.DeadLetterURL)
			if err != nil {
				return err
			}
			client := sqs.NewFromConfig(aws)
			replayer := &deadletter.Replayer{
				Box:               newBox(aws, client, settings),
				Source:            sqsqueue.NewSource(client, settings.Queue.URL),
				RateLimit:         newStore(aws, settings).RateLimit(),
				RequestsPerMinute: settings.Chargebee.RequestsPerMinute,
			}
			order.DryRun = !a.yes
			return a.deal("replayed", func(progress deadletter.Progress) (deadletter.Result, error) {
				return replayer.Run(cmd.Context(), order, progress)
			})
		},
	})))
	cmd.Flags().BoolVar(&order.DropDone, "drop-done", false, "delete those of billed invoices instead of skipping them")
	return cmd
}

// newBox is the dead letters of the settings.
func newBox(aws aws.Config, client *sqs.Client, settings config.Consumer) deadletter.Box {
	return deadletter.Box{
		Letters: sqsqueue.NewDeadLetters(client, settings.Queue.DeadLetterURL),
		Heads:   newStore(aws, settings),
		Remover: sqsqueue.NewQueue(client, settings.Queue.DeadLetterURL, settings.Worker.VisibilityTimeout),
		Now:     time.Now,
	}
}

// deal runs what deals with dead letters, and shows how far it is and what became of them,
// also when it ended early.
func (a *app) deal(done string, run func(deadletter.Progress) (deadletter.Result, error)) error {
	progress := cli.NewProgress(a.process.Stderr, done)
	result, err := run(deadletter.Progress{
		Step:  func(deadletter.Step) { progress.Add(1) },
		Waits: progress.Waits,
	})
	progress.Done()
	if err != nil && len(result.Messages) == 0 && !errors.Is(err, deadletter.ErrPartial) {
		return err
	}
	return errors.Join(a.showResult(result), err)
}

// showResult shows what became of dead letters.
func (a *app) showResult(result deadletter.Result) error {
	if a.format == cli.JSON {
		return cli.WriteJSON(a.process.Stdout, result)
	}
	if len(result.Messages) == 0 {
		if !result.Complete {
			return a.say("No such dead letter was seen.")
		}
		return a.say("There are no such dead letters.")
	}
	var rows [][]string
	for _, action := range deadletter.Actions {
		if count := result.Counts[action]; count > 0 {
			rows = append(rows, []string{string(action), strconv.Itoa(count)})
		}
	}
	if err := cli.WriteTable(a.process.Stdout, []cli.Column{{Title: "what"}, {Title: "count", Right: true}}, rows); err != nil {
		return err
	}
	for _, step := range result.Messages {
		if step.Error != nil {
			if err := a.say("%s %s: %s", step.MessageID, step.Action, *step.Error); err != nil {
				return err
			}
		}
	}
	if result.DryRun {
		return a.say("Dry run: --yes does it.")
	}
	return nil
}
