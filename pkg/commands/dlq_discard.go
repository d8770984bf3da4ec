package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/settlement"
)

func (a *app) dlqDiscard() *cobra.Command {
	var options discardOptions
	cmd := withFilter(&options.Filter, a.withYesFlag(a.withOutput(&cobra.Command{
		Use:     "discard",
		Short:   "Archive dead letters in a file, then delete them",
		Long:    "Delete the dead letters that a filter selects, after writing each to a file. Dead letters of invoices that hold claims are refused.",
		Example: `  consumer dlq discard --event ev_1 --reason-note "test data" --yes`,
		PreRunE: func(*cobra.Command, []string) error {
			switch {
			case options.IsEmpty():
				return cli.UsageError{Err: fmt.Errorf("%w: --reason, --event, --invoice and others, see --help", deadletter.ErrNoFilter)}
			case a.apply && options.Note == "":
				return cli.UsageError{Err: errors.New("missing --reason-note: it is archived with the messages")}
			default:
				return nil
			}
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			options.DryRun = !a.apply
			required := []string{config.DeadLetterURL}
			if options.release {
				required = append(required, config.ChargebeeSite, config.ChargebeeKey)
			}
			discard := func(ctx context.Context, deps Deps, _ []string) error {
				return a.runOnDeadLetters(func(progress deadletter.Progress) (deadletter.Result, error) {
					return deps.discard(ctx, options, progress)
				})
			}
			return a.withDeps(discard, required...)(cmd, args)
		},
	})))
	flags := cmd.Flags()
	flags.StringVar(&options.Note, "reason-note", "", "reason, archived with the messages (required with --yes)")
	flags.StringVar(&options.path, "file", archiveName(time.Now()), "archive file, one line of JSON per message")
	flags.BoolVar(&options.release, "release", false, "release claims first, if invoice release does so without an assertion")
	return cmd
}

type discardOptions struct {
	deadletter.DiscardOptions

	path    string // of the archive file
	release bool   // release the claims of the messages' invoices first
}

// discard archives dead letters in a file and deletes them. It calls Chargebee only to release claims.
func (d Deps) discard(ctx context.Context, options discardOptions, progress deadletter.Progress) (result deadletter.Result, err error) {
	archive := &archiveFile{path: options.path}
	discarder := &deadletter.Discarder{Queue: d.deadLetterQueue(), Archive: archive}
	runDiscarder := func() error {
		var runErr, closeErr error
		result, runErr = discarder.Run(ctx, options.DiscardOptions, progress)
		result.Archive, closeErr = archive.close()
		return errors.Join(runErr, closeErr)
	}
	if !options.release {
		err = runDiscarder()
		return result, err
	}
	if err := d.requireInstallation(ctx); err != nil {
		return result, err
	}
	err = d.withSite(ctx, func(site limitedSite) error {
		discarder.Releaser = claimReleaser{d.settler(site)}
		return runDiscarder()
	})
	return result, err
}

// claimReleaser is a deadletter.Releaser. Its orders have no assertion, so that lines in doubt are refused.
type claimReleaser struct{ settler *settlement.Settler }

func (c claimReleaser) Release(ctx context.Context, invoiceID string, dryRun bool) error {
	_, err := c.settler.Release(ctx, settlement.Order{InvoiceID: invoiceID, DryRun: dryRun})
	if refusal, ok := errors.AsType[*settlement.Refusal](err); ok {
		return fmt.Errorf("%w: %w", deadletter.ErrReleaseRefused, refusal)
	}
	return err
}

func archiveName(now time.Time) string {
	return fmt.Sprintf("discarded-%s.jsonl", now.UTC().Format("20060102T150405Z"))
}

// archiveFile is a deadletter.Archive. The first message opens the file, or creates it.
type archiveFile struct {
	path string

	mu   sync.Mutex
	file *os.File // nil before the first message
}

func (f *archiveFile) Add(message deadletter.ArchivedMessage) error {
	line, err := json.Marshal(message)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		if f.file, err = os.OpenFile(f.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
			return err
		}
	}
	if _, err := f.file.Write(append(line, '\n')); err != nil {
		return err
	}
	return f.file.Sync()
}

// close closes the file and returns its absolute path, or nil if there was no message.
func (f *archiveFile) close() (path *string, err error) {
	if f.file == nil {
		return nil, nil
	}
	absolute, err := filepath.Abs(f.path)
	return &absolute, errors.Join(err, f.file.Close())
}
