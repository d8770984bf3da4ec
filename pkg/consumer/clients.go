package consumer

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/logging"
	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/dynamostore"
)

// connectionsPerSlot is how many AWS calls one message makes at the same time: its
// own and its heartbeat's.
const connectionsPerSlot = 2

// awsConfig reads region, credentials and endpoints the SDK's own way. The SDK keeps
// 10 idle connections per host, which is too few for a pool of workers.
func awsConfig(ctx context.Context, settings config.Consumer, logger zerolog.Logger) (aws.Config, error) {
	connections := connectionsPerSlot*settings.Worker.Concurrency + 10
	client := awshttp.NewBuildableClient().WithTransportOptions(func(transport *http.Transport) {
		transport.MaxIdleConns = 2 * connections
		transport.MaxIdleConnsPerHost = connections
	})
	loaded, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithHTTPClient(client), awsconfig.WithLogger(sdkLogger(logger)))
	if err != nil {
		return loaded, usageError{fmt.Errorf("AWS configuration: %w", err)}
	}
	if loaded.Region == "" {
		return loaded, usageError{errors.New("AWS configuration: there is no region: set AWS_REGION")}
	}
	return loaded, nil
}

// sdkLogger takes what the SDK has to say about connections. It repeats what failed,
// and what it cannot mend it returns as an error.
func sdkLogger(logger zerolog.Logger) logging.Logger {
	return logging.LoggerFunc(func(_ logging.Classification, format string, values ...any) {
		logger.Debug().Str("component", "aws-sdk").Msgf(format, values...)
	})
}

func newStore(aws aws.Config, settings config.Consumer) *dynamostore.Store {
	return &dynamostore.Store{
		Client:      dynamodb.NewFromConfig(aws),
		EventsTable: settings.Events.Table,
		LedgerTable: settings.Ledger.Table,
	}
}
