package receiver

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/awsclient"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/lifecycle"
	"github.com/billable-events/billable/pkg/sqsqueue"
	"github.com/billable-events/billable/pkg/telemetry"
)

// runtimeLimits are for a pod of 256 MiB. The memory limit is soft: if the bodies in flight (see
// http.max_in_flight_bytes) need more memory, garbage collection takes more CPU.
var runtimeLimits = lifecycle.RuntimeLimits{GCPercent: 800, MemoryLimit: 220 << 20}

// Main runs the receiver until ctx ends, and returns the exit code.
func Main(ctx context.Context, process cli.Process) int {
	process = process.Escaped()
	return cli.Run(ctx, process, command(process))
}

func command(process cli.Process) *cobra.Command {
	var source config.Source
	root := &cobra.Command{
		Use:     "receiver",
		Short:   "Enqueue Chargebee's webhooks in SQS",
		Example: "  receiver --config receiver.yaml",
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), process, source) },
	}
	root.Flags().StringVar(&source.File, "config", "", "settings file (YAML)")
	root.Flags().BoolVar(&source.AllowUnknownEnv, cli.AllowUnknownEnv, false, cli.AllowUnknownEnvHelp)
	root.AddCommand(cli.VersionCommand("receiver"))
	return root
}

func run(ctx context.Context, process cli.Process, source config.Source) error {
	source.Environ = process.Environ
	settings, warnings, err := config.LoadReceiver(source)
	if err != nil {
		return cli.UsageError{Err: err}
	}
	logger := telemetry.NewLogger(process.Stderr, settings.Log.Level, settings.Log.Format)
	for _, warning := range warnings {
		logger.Warn().Msg(warning)
	}
	if settings.Auth.Disabled {
		logger.Warn().Msg("authentication is disabled")
	}
	awsConfig, err := awsclient.Load(ctx, sqsqueue.MaxConcurrentBatches+spareConnections, logger)
	if err != nil {
		return cli.UsageError{Err: err}
	}
	runtimeLimits.Apply(process.Environ)
	tracing := telemetry.NewTracing(ctx, telemetry.Service{Name: "billable-receiver", Version: cli.Version()}, process.Environ, logger)
	return New(settings, Deps{AWS: awsConfig, Tracing: tracing}, logger).Run(ctx)
}
