// Package consumer wires the consumer binary: the workers that settle invoices, and
// the operator's commands, one file each.
package consumer

import (
	"context"
	"fmt"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/lifecycle"
	"github.com/billable-events/billable/pkg/telemetry"
)

// resources are a fifth of the CPU's worth: a peak of 58 instead of 33 MB, measured with the
// default concurrency.
var resources = lifecycle.Resources{Growth: 400}

// Main runs the consumer or one of its commands until it is done or ctx ends, and
// returns the exit code.
func Main(ctx context.Context, process cli.Process) int {
	app := &app{process: process, format: cli.Table}
	return cli.Run(ctx, process, app.command())
}

// app is one run of the program.
type app struct {
	process cli.Process
	config  string     // path of the settings file
	format  cli.Format // of a command's result
	yes     bool       // what a command would change it changes
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "consumer",
		Short: "Bills pending Chargebee invoices, and operates their dead letters and ledger",
		Args:  cli.Args(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.run(cmd.Context()) },
	}
	root.PersistentFlags().StringVar(&a.config, "config", "", "path of the settings file (YAML)")
	root.AddCommand(
		&cobra.Command{
			Use:   "run",
			Short: "Take messages from the queue and settle their invoices",
			Args:  cli.Args(cobra.NoArgs),
			RunE:  func(cmd *cobra.Command, _ []string) error { return a.run(cmd.Context()) },
		},
		a.check(),
		a.sweep(),
		a.pause(),
		a.resume(),
		group("tables", "The tables in DynamoDB", a.tablesCreate()),
		group("invoice", "The ledger's word on invoices", a.invoiceShow(), a.invoicePlan(), a.invoiceList(), a.invoiceRelease()),
		group("dlq", "The dead-letter queue", a.dlqList(), a.dlqShow(), a.dlqReplay(), a.dlqDiscard()),
		cli.VersionCommand("consumer"),
	)
	return root
}

// group returns a command that only holds others.
func group(name, short string, commands ...*cobra.Command) *cobra.Command {
	parent := &cobra.Command{
		Use:   name,
		Short: short,
		Args:  cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cli.UsageError{Err: fmt.Errorf("%s needs a command: %s --help lists them", cmd.CommandPath(), cmd.CommandPath())}
		},
	}
	parent.AddCommand(commands...)
	return parent
}

// output gives a command the flag that says how its result is shown.
func (a *app) output(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().Var(&a.format, "output", "form of the result")
	return cmd
}

// confirmed gives a command the flag without which it only says what it would change.
func (a *app) confirmed(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&a.yes, "yes", false, "change it; without, it is only said what would change")
	return cmd
}

// run works until ctx ends.
func (a *app) run(ctx context.Context) error {
	settings, logger, err := a.settings(config.QueueURL, config.DeadLetterURL, config.ChargebeeSite, config.ChargebeeKey)
	if err != nil {
		return err
	}
	aws, err := awsConfig(ctx, settings, logger)
	if err != nil {
		return err
	}
	resources.Fit(a.process.Environ)
	tracing := telemetry.NewTracing(ctx, telemetry.Service{Name: "billable-consumer", Version: cli.Version()}, a.process.Environ, logger)
	consumer, err := New(settings, Surroundings{AWS: aws, Tracing: tracing}, logger)
	if err != nil {
		return err
	}
	return consumer.Run(ctx)
}

// settings loads the settings; the required keys must have a value.
func (a *app) settings(required ...string) (config.Consumer, zerolog.Logger, error) {
	settings, warnings, err := config.LoadConsumer(config.Source{File: a.config, Environ: a.process.Environ}, required...)
	if err != nil {
		return settings, zerolog.Nop(), cli.UsageError{Err: err}
	}
	logger, err := telemetry.NewLogger(a.process.Stderr, settings.Log.Level, settings.Log.Format)
	if err != nil {
		return settings, logger, cli.UsageError{Err: err}
	}
	for _, warning := range warnings {
		logger.Warn().Msg(warning)
	}
	return settings, logger, nil
}
