package consumer

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/awsclient"
	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/chargebeeapi"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/dynamostore"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/settlement"
	"github.com/billable-events/billable/pkg/telemetry"
)

// Deps are the dependencies of a consumer.
type Deps struct {
	AWS       aws.Config
	Now       func() time.Time   // clock of ledger and rate limiter. Defaults to time.Now
	Chargebee http.RoundTripper  // transport of calls to Chargebee. Defaults to one of its own
	Tracing   *telemetry.Tracing // nil: no spans
}

// Clock returns Now, or else time.Now.
func (d Deps) Clock() func() time.Time {
	if d.Now == nil {
		return time.Now
	}
	return d.Now
}

const (
	// connectionsPerWorker is the number of simultaneous AWS calls of one message: its own and
	// its heartbeat's.
	connectionsPerWorker = 2
	// spareConnections are for receives, the readiness check and batches of deletes.
	spareConnections = 10
)

// LoadAWS loads region, credentials and endpoints like the AWS SDK.
func LoadAWS(ctx context.Context, settings config.Consumer, logger zerolog.Logger) (aws.Config, error) {
	return awsclient.Load(ctx, connectionsPerWorker*settings.Worker.Concurrency+spareConnections, logger)
}

// NewStore returns the store of events and ledger in DynamoDB.
func NewStore(cfg aws.Config, settings config.Consumer) *dynamostore.Store {
	return &dynamostore.Store{
		Client:      dynamodb.NewFromConfig(cfg),
		EventsTable: settings.Events.Table,
		LedgerTable: settings.Ledger.Table,
	}
}

// ChargebeeConfig returns the configuration of the Chargebee client.
func ChargebeeConfig(settings config.Consumer, deps Deps) chargebeeapi.Config {
	return chargebeeapi.Config{
		BaseURL:       settings.Chargebee.URL(),
		APIKey:        settings.Chargebee.APIKey.Reveal(),
		MaxConcurrent: settings.Worker.Concurrency,
		CallTimeout:   settings.Chargebee.CallTimeout,
		Now:           deps.Clock(),
		Transport:     deps.Chargebee,
	}
}

// LimiterConfig returns the configuration of the rate limiter that all processes share.
func LimiterConfig(settings config.Consumer, store ratelimit.Store, now func() time.Time) ratelimit.Config {
	return ratelimit.Config{
		Store:             store,
		Now:               now,
		RequestsPerMinute: settings.Chargebee.RequestsPerMinute,
		Jitter:            settings.RateLimit.Jitter,
	}
}

// SettlementSettings returns the settings of settlement.
func SettlementSettings(settings config.Consumer) settlement.Settings {
	return settlement.Settings{
		Lease:              settings.Ledger.Lease,
		CallTimeout:        settings.Chargebee.CallTimeout,
		MaxEffectDelay:     settings.Chargebee.MaxEffectDelay,
		IdempotencyWindow:  settings.Chargebee.IdempotencyWindow,
		MaxSkew:            settings.Clock.MaxSkew,
		MaxAttempts:        settings.Worker.MaxAttempts,
		Close:              settings.Invoice.Close,
		CloseWithoutEvents: settings.Invoice.CloseWithoutEvents,
		MaxAmount:          settings.Invoice.MaxAmount,
		TrustWebhook:       settings.Invoice.TrustWebhook,
		Catalog:            catalog(settings.Charges),
	}
}

func catalog(charges config.Charges) billing.Catalog {
	catalog := make(billing.Catalog, len(charges))
	for code, charge := range charges {
		catalog[code] = billing.Product{
			ItemPriceID: charge.ItemPriceID,
			PerUnit:     charge.PricingModel == config.PerUnit,
			Tax: billing.Tax{
				TaxJarProductCode:      charge.TaxJarProductCode,
				HSNCode:                charge.HSNCode,
				AvalaraSaleType:        charge.AvalaraSaleType,
				AvalaraTransactionType: charge.AvalaraTransactionType,
				AvalaraServiceType:     charge.AvalaraServiceType,
				AvalaraTaxCode:         charge.AvalaraTaxCode,
			},
		}
	}
	return catalog
}
