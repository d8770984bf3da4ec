package consumer

import (
	"context"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/dynamostore"
)

// connectionsPerSlot is how many AWS calls one message makes at the same time: its
// own and its heartbeat's.
const connectionsPerSlot = 2

// awsConfig reads region, credentials and endpoints the SDK's own way. The SDK keeps
// 10 idle connections per host, which is too few for a pool of workers.
func awsConfig(ctx context.Context, settings config.Consumer) (aws.Config, error) {
	connections := connectionsPerSlot*settings.Worker.Concurrency + 10
	client := awshttp.NewBuildableClient().WithTransportOptions(func(transport *http.Transport) {
		transport.MaxIdleConns = 2 * connections
		transport.MaxIdleConnsPerHost = connections
	})
	loaded, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithHTTPClient(client))
	if err != nil {
		return loaded, fmt.Errorf("AWS configuration: %w", err)
	}
	return loaded, nil
}

func newStore(aws aws.Config, settings config.Consumer) *dynamostore.Store {
	return &dynamostore.Store{
		Client:      dynamodb.NewFromConfig(aws),
		EventsTable: settings.Events.Table,
		LedgerTable: settings.Ledger.Table,
	}
}
