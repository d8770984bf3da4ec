// Package receiver wires the receiver binary: it takes Chargebee's webhooks and puts
// them into the queue.
package receiver

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/telemetry"
)

// The exit codes.
const (
	exitDone   = 0 // also a clean drain
	exitFailed = 1 // also a drain past its deadline
	exitUsage  = 2 // wrong arguments or settings
)

// Process is what the receiver needs of its surroundings.
type Process struct {
	Args    []string // without the program's name
	Environ []string // as of os.Environ
	Stdout  io.Writer
	Stderr  io.Writer
}

// usageError is a mistake in arguments or settings.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// Main runs the receiver until ctx ends, and returns the exit code.
func Main(ctx context.Context, process Process) int {
	root := process.command()
	root.SetArgs(process.Args)
	root.SetOut(process.Stdout)
	root.SetErr(process.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	process.complain(err)
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

func (p Process) command() *cobra.Command {
	var file string
	root := &cobra.Command{
		Use:           "receiver",
		Short:         "Takes Chargebee's webhooks and puts them into the queue",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return p.run(cmd.Context(), file) },
	}
	root.Flags().StringVar(&file, "config", "", "path of the settings file (YAML)")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(p.version())
	return root
}

// noArgs makes arguments a usage error.
func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}

// run serves until ctx ends.
func (p Process) run(ctx context.Context, file string) error {
	settings, warnings, err := config.LoadReceiver(config.Source{File: file, Environ: p.Environ})
	if err != nil {
		return usageError{err}
	}
	logger, err := telemetry.NewLogger(p.Stderr, settings.Log.Level, settings.Log.Format)
	if err != nil {
		return usageError{err}
	}
	for _, warning := range warnings {
		logger.Warn().Msg(warning)
	}
	if settings.Auth.Disabled {
		logger.Warn().Msg("auth.disabled: anybody who reaches the receiver can send events")
	}
	aws, err := awsConfig(ctx, logger)
	if err != nil {
		return usageError{err}
	}
	return New(settings, aws, logger).Run(ctx)
}

// complain writes an error for a person, each fault of the settings on its line.
func (p Process) complain(err error) {
	if faults, ok := errors.AsType[*config.Error](err); ok {
		_, _ = fmt.Fprintln(p.Stderr, "receiver: the settings are wrong:")
		for _, fault := range faults.Faults {
			_, _ = fmt.Fprintln(p.Stderr, "  "+fault.String())
		}
		return
	}
	_, _ = fmt.Fprintln(p.Stderr, "receiver: "+err.Error())
}
