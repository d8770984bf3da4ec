package consumer

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/awsclient"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/dynamostore"
)

const (
	// connectionsPerSlot is how many AWS calls one message makes at the same time: its
	// own and its heartbeat's.
	connectionsPerSlot = 2
	// spareConnections are for the poll, the readiness check and batches of deletes.
	spareConnections = 10
)

// awsConfig reads region, credentials and endpoints the SDK's own way.
func awsConfig(ctx context.Context, settings config.Consumer, logger zerolog.Logger) (aws.Config, error) {
	loaded, err := awsclient.Load(ctx, awsclient.Options{
		Connections: connectionsPerSlot*settings.Worker.Concurrency + spareConnections,
		Log:         func(format string, values ...any) { logger.Debug().Str("component", "aws-sdk").Msgf(format, values...) },
	})
	if err != nil {
		return loaded, cli.UsageError{Err: err}
	}
	return loaded, nil
}

// connect reads the settings, of which the required keys must have a value, and how a
// command reaches AWS.
func (a *app) connect(ctx context.Context, required ...string) (config.Consumer, aws.Config, error) {
	settings, logger, err := a.settings(required...)
	if err != nil {
		return settings, aws.Config{}, err
	}
	loaded, err := awsConfig(ctx, settings, logger)
	return settings, loaded, err
}

func newStore(aws aws.Config, settings config.Consumer) *dynamostore.Store {
	return &dynamostore.Store{
		Client:      dynamodb.NewFromConfig(aws),
		EventsTable: settings.Events.Table,
		LedgerTable: settings.Ledger.Table,
	}
}
