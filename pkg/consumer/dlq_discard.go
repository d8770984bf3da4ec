package consumer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/settlement"
)

func (a *app) dlqDiscard() *cobra.Command {
	var order discardOrder
	cmd := filtered(&order.Filter, a.confirmed(a.output(&cobra.Command{
		Use:   "discard",
		Short: "Delete dead letters that a filter chooses, each kept in a file first; not those of invoices that hold claims",
		Args:  cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case order.Empty():
				return cli.UsageError{Err: fmt.Errorf("%w: --reason, --event, --invoice and others, see --help", deadletter.ErrNoFilter)}
			case a.yes && order.Note == "":
				return cli.UsageError{Err: errors.New("--reason-note is missing: say why, for whoever wonders")}
			}
			order.DryRun = !a.yes
			return a.discard(cmd.Context(), order)
		},
	})))
	flags := cmd.Flags()
	flags.StringVar(&order.Note, "reason-note", "", "why, for whoever wonders; kept with the letters")
	flags.StringVar(&order.path, "file", fmt.Sprintf("discarded-%s.jsonl", time.Now().UTC().Format("20060102T150405Z")), "where the letters are kept, one line of JSON each")
	flags.BoolVar(&order.release, "release", false, "give claims back first, where consumer invoice release would do so without an assertion")
	return cmd
}

// discardOrder is what shall be discarded, and how.
type discardOrder struct {
	deadletter.Disposal

	path    string // of the file in which letters are kept
	release bool   // claims are given back first
}

func (a *app) discard(ctx context.Context, order discardOrder) error {
	required := []string{config.DeadLetterURL}
	if order.release {
		required = append(required, config.ChargebeeSite, config.ChargebeeKey)
	}
	settings, aws, err := a.connect(ctx, required...)
	if err != nil {
		return err
	}
	kept := &keptLetters{path: order.path}
	discarder := &deadletter.Discarder{Box: newBox(aws, sqs.NewFromConfig(aws), settings), Archive: kept}
	run := func() error {
		return a.deal("discarded", func(progress deadletter.Progress) (deadletter.Result, error) {
			result, err := discarder.Run(ctx, order.Disposal, progress)
			return result, errors.Join(err, kept.close())
		})
	}
	if !order.release {
		return run()
	}
	around := Surroundings{AWS: aws}
	return callSite(ctx, settings, around, func(site site) error {
		discarder.Releaser = claimReleaser{newSettler(settings, around, site, a.mismatched)}
		return run()
	})
}

// claimReleaser is a deadletter.Releaser. It asserts nothing.
type claimReleaser struct{ settler *settlement.Settler }

// Release implements deadletter.Releaser.
func (c claimReleaser) Release(ctx context.Context, invoiceID string) error {
	_, err := c.settler.Release(ctx, settlement.Order{InvoiceID: invoiceID})
	if refusal, ok := errors.AsType[*settlement.Refusal](err); ok {
		return fmt.Errorf("%w: %w", deadletter.ErrReleaseRefused, refusal)
	}
	return err
}

// keptLetters is a file of discarded letters, made with the first of them.
type keptLetters struct {
	path string

	mu   sync.Mutex
	file *os.File
}

// Keep implements deadletter.Archive.
func (k *keptLetters) Keep(letter deadletter.Kept) error {
	line, err := json.Marshal(letter)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.file == nil {
		if k.file, err = os.OpenFile(k.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
			return err
		}
	}
	if _, err := k.file.Write(append(line, '\n')); err != nil {
		return err
	}
	return k.file.Sync()
}

func (k *keptLetters) close() error {
	if k.file == nil {
		return nil
	}
	return k.file.Close()
}
