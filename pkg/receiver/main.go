// Package receiver wires the receiver binary: it takes Chargebee's webhooks and puts
// them into the queue.
package receiver

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/lifecycle"
	"github.com/billable-events/billable/pkg/telemetry"
)

// resources are those of a pod of 256 MiB where nothing else is said. The limit is soft: more
// bodies in flight than that, see http.max_in_flight_bytes, cost CPU instead.
var resources = lifecycle.Resources{Growth: 800, Memory: 220 << 20}

// Main runs the receiver until ctx ends, and returns the exit code.
func Main(ctx context.Context, process cli.Process) int {
	return cli.Run(ctx, process, command(process))
}

func command(process cli.Process) *cobra.Command {
	var file string
	root := &cobra.Command{
		Use:   "receiver",
		Short: "Takes Chargebee's webhooks and puts them into the queue",
		Args:  cli.Args(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), process, file) },
	}
	root.Flags().StringVar(&file, "config", "", "path of the settings file (YAML)")
	root.AddCommand(cli.VersionCommand("receiver"))
	return root
}

// run serves until ctx ends.
func run(ctx context.Context, process cli.Process, file string) error {
	settings, warnings, err := config.LoadReceiver(config.Source{File: file, Environ: process.Environ})
	if err != nil {
		return cli.UsageError{Err: err}
	}
	logger, err := telemetry.NewLogger(process.Stderr, settings.Log.Level, settings.Log.Format)
	if err != nil {
		return cli.UsageError{Err: err}
	}
	for _, warning := range warnings {
		logger.Warn().Msg(warning)
	}
	if settings.Auth.Disabled {
		logger.Warn().Msg("auth.disabled: anybody who reaches the receiver can send events")
	}
	aws, err := awsConfig(ctx, logger)
	if err != nil {
		return cli.UsageError{Err: err}
	}
	resources.Fit(process.Environ)
	tracing := telemetry.NewTracing(ctx, telemetry.Service{Name: "billable-receiver", Version: cli.Version()}, process.Environ, logger)
	return New(settings, Deps{AWS: aws, Tracing: tracing}, logger).Run(ctx)
}
