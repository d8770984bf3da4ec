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
	Now       func() time.Time   // nil: time.Now
	Chargebee http.RoundTripper  // transport of calls to Chargebee. nil: the default of chargebeeapi
	Tracing   *telemetry.Tracing // nil: no spans
}

// Clock returns Now, or time.Now if it is nil.
func (d Deps) Clock() func() time.Time {
	if d.Now == nil {
		return time.Now
	}
	return d.Now
}

const (
	// connectionsPerWorker is the number of concurrent calls to AWS for one message: of its session
	// and of its heartbeat.
	connectionsPerWorker = 2
	// spareConnections are for calls that belong to no single message, for example receives.
	spareConnections = 10
)

// LoadAWS loads region, credentials and endpoints from the default sources of the AWS SDK.
func LoadAWS(ctx context.Context, settings config.Consumer, logger zerolog.Logger) (aws.Config, error) {
	return awsclient.Load(ctx, connectionsPerWorker*settings.Worker.Concurrency+spareConnections, logger)
}

// NewStore returns the store of billable events and the ledger.
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

// LimiterConfig returns the configuration of the rate limiter.
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

// catalog returns the settings of the charge codes as a billing.Catalog.
func catalog(charges config.Charges) billing.Catalog {
	products := make(billing.Catalog, len(charges))
	for code, charge := range charges {
		products[code] = billing.Product{
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
	return products
}
