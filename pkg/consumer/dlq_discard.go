package consumer

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/commandline"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/deadletter"
)

func (a *app) dlqDiscard() *cobra.Command {
	var disposal deadletter.Disposal
	var path string
	cmd := filtered(&disposal.Filter, a.confirmed(a.output(&cobra.Command{
		Use:   "discard",
		Short: "Delete dead letters that a filter chooses, each kept in a file first; not those of invoices that hold claims",
		Args:  commandline.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case disposal.Empty():
				return commandline.UsageError{Err: fmt.Errorf("%w: --reason, --event, --invoice and others, see --help", deadletter.ErrNoFilter)}
			case a.yes && disposal.Note == "":
				return commandline.UsageError{Err: errors.New("--reason-note is missing: say why, for whoever wonders")}
			}
			settings, aws, err := a.connect(cmd.Context(), config.DeadLetterURL)
			if err != nil {
				return err
			}
			kept := &keptLetters{path: path}
			discarder := &deadletter.Discarder{Box: newBox(aws, sqs.NewFromConfig(aws), settings), Archive: kept}
			disposal.DryRun = !a.yes
			return a.deal("discarded", func(progress deadletter.Progress) (deadletter.Result, error) {
				result, err := discarder.Run(cmd.Context(), disposal, progress)
				return result, errors.Join(err, kept.close())
			})
		},
	})))
	cmd.Flags().StringVar(&disposal.Note, "reason-note", "", "why, for whoever wonders; kept with the letters")
	cmd.Flags().StringVar(&path, "file", fmt.Sprintf("discarded-%s.jsonl", time.Now().UTC().Format("20060102T150405Z")), "where the letters are kept, one line of JSON each")
	return cmd
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
