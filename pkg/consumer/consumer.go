// Package consumer wires the consumer binary: the workers that settle invoices, and
// the operator's commands, one file each.
package consumer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/telemetry"
	"github.com/billable-events/billable/pkg/terminal"
)

// The exit codes.
const (
	exitDone   = 0 // also a clean drain, an empty list, a dry run
	exitFailed = 1 // also a drain past its deadline, an unknown id
	exitUsage  = 2 // wrong arguments or settings
)

// Process is what the consumer needs of its surroundings.
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

// Main runs the consumer or one of its commands until it is done or ctx ends, and
// returns the exit code.
func Main(ctx context.Context, process Process) int {
	app := &app{process: process, format: terminal.Table}
	root := app.command()
	root.SetArgs(process.Args)
	root.SetOut(process.Stdout)
	root.SetErr(process.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	app.complain(err)
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

// app is one run of the program.
type app struct {
	process Process
	config  string          // path of the settings file
	format  terminal.Format // of a command's result
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "consumer",
		Short:         "Bills pending Chargebee invoices, and operates their dead letters and ledger",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          usageArgs(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return a.run(cmd.Context()) },
	}
	root.PersistentFlags().StringVar(&a.config, "config", "", "path of the settings file (YAML)")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		&cobra.Command{
			Use:   "run",
			Short: "Take messages from the queue and settle their invoices",
			Args:  usageArgs(cobra.NoArgs),
			RunE:  func(cmd *cobra.Command, _ []string) error { return a.run(cmd.Context()) },
		},
		group("tables", "The tables in DynamoDB", a.tablesCreate()),
		group("invoice", "The ledger's word on invoices", a.invoiceShow()),
		group("dlq", "The dead-letter queue", a.dlqList()),
		a.version(),
	)
	return root
}

// group returns a command that only holds others.
func group(name, short string, commands ...*cobra.Command) *cobra.Command {
	parent := &cobra.Command{
		Use:   name,
		Short: short,
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageError{fmt.Errorf("%s needs a command: %s --help lists them", cmd.CommandPath(), cmd.CommandPath())}
		},
	}
	parent.AddCommand(commands...)
	return parent
}

// usageArgs makes wrong arguments a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{fmt.Errorf("%s: %w", cmd.CommandPath(), err)}
		}
		return nil
	}
}

// output gives a command the flag that says how its result is shown.
func (a *app) output(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().Var(&a.format, "output", "form of the result")
	return cmd
}

// settings loads the settings; the required keys must have a value.
func (a *app) settings(required ...string) (config.Consumer, zerolog.Logger, error) {
	settings, warnings, err := config.LoadConsumer(config.Source{File: a.config, Environ: a.process.Environ}, required...)
	if err != nil {
		return settings, zerolog.Nop(), usageError{err}
	}
	logger, err := telemetry.NewLogger(a.process.Stderr, settings.Log.Level, settings.Log.Format)
	if err != nil {
		return settings, logger, usageError{err}
	}
	for _, warning := range warnings {
		logger.Warn().Msg(warning)
	}
	return settings, logger, nil
}

// complain writes an error for a person, each fault of the settings on its line.
func (a *app) complain(err error) {
	if faults, ok := errors.AsType[*config.Error](err); ok {
		_, _ = fmt.Fprintln(a.process.Stderr, "consumer: the settings are wrong:")
		for _, fault := range faults.Faults {
			_, _ = fmt.Fprintln(a.process.Stderr, "  "+fault.String())
		}
		return
	}
	_, _ = fmt.Fprintln(a.process.Stderr, "consumer: "+err.Error())
}
