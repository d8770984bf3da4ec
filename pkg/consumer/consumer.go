package consumer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/awsclient"
	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/chargebeeapi"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/lifecycle"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/settlement"
	"github.com/billable-events/billable/pkg/sqsqueue"
	"github.com/billable-events/billable/pkg/telemetry"
	"github.com/billable-events/billable/pkg/worker"
)

const (
	// settleTimeout is how long finished work may take to be carried out after the
	// time to drain is over.
	settleTimeout = 10 * time.Second
	adminTimeout  = 5 * time.Second
)

var errDraining = errors.New("draining")

// Surroundings is what a consumer finds outside of itself.
type Surroundings struct {
	AWS       aws.Config
	Now       func() time.Time   // the clock of ledger and rate limiter. Defaults to time.Now
	Chargebee http.RoundTripper  // the way to Chargebee. Defaults to connections of its own
	Tracing   *telemetry.Tracing // nil: no spans are made
}

func (s Surroundings) now() func() time.Time {
	if s.Now == nil {
		return time.Now
	}
	return s.Now
}

// Consumer is the consumer with all its parts, between the settings and the queue.
type Consumer struct {
	settings config.Consumer
	logger   zerolog.Logger
	tracing  *telemetry.Tracing
	registry *prometheus.Registry
	breaker  *settlement.Breaker
	limiter  *ratelimit.Limiter
	health   *sqsqueue.Health
	pool     *worker.Pool
}

// New wires a consumer. It calls nobody.
func New(settings config.Consumer, surroundings Surroundings, logger zerolog.Logger) (*Consumer, error) {
	now := surroundings.now()
	tracing := surroundings.Tracing
	if tracing != nil {
		surroundings.AWS = awsclient.Trace(surroundings.AWS, tracing)
	}
	store := newStore(surroundings.AWS, settings)
	registry := telemetry.NewRegistry()
	observer := observer{newMetrics(registry), logger, tracing}
	limit := limiterConfig(settings, store.RateLimit(), now)
	limit.Observe = observer.rateLimitChanged
	limiter := ratelimit.New(limit)
	breaker := settlement.NewBreaker(now)
	observer.metrics.watch(registry, limiter, settings.Chargebee.RequestsPerMinute, breaker)
	site := siteConfig(settings)
	site.Now, site.Transport, site.Observe = now, surroundings.Chargebee, observer.called
	chargebee, err := chargebeeapi.New(site)
	if err != nil {
		return nil, err
	}
	client := sqs.NewFromConfig(surroundings.AWS)
	return &Consumer{
		settings: settings,
		logger:   logger,
		tracing:  tracing,
		registry: registry,
		breaker:  breaker,
		limiter:  limiter,
		health:   sqsqueue.NewHealth(client, settings.Queue.URL),
		pool: &worker.Pool{
			Queue:       sqsqueue.NewQueue(client, settings.Queue.URL, settings.Worker.VisibilityTimeout),
			DeadLetters: sqsqueue.NewDeadLetters(client, settings.Queue.DeadLetterURL),
			Handler: traced(&settlement.Settler{
				Ledger:      store,
				Claims:      store,
				Events:      store,
				Charger:     chargebee,
				Invoices:    chargebee,
				RateLimiter: limiter,
				Breaker:     breaker,
				Observer:    settlementObserver{observer},
				Now:         now,
				Settings:    settlementSettings(settings),
			}, tracing, path.Base(settings.Queue.URL)),
			Gates:             []worker.Gate{breaker, limiter},
			Observer:          workerObserver{observer},
			Concurrency:       settings.Worker.Concurrency,
			VisibilityTimeout: settings.Worker.VisibilityTimeout,
			HeartbeatInterval: min(settings.Worker.VisibilityTimeout, settings.Ledger.Lease) / 3,
			DrainTimeout:      settings.Worker.DrainTimeout,
			SettleTimeout:     settleTimeout,
		},
	}, nil
}

func settlementSettings(settings config.Consumer) settlement.Settings {
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

// Metrics returns what the consumer counts. Run serves it on the admin listener.
func (c *Consumer) Metrics() *prometheus.Registry { return c.registry }

// Work takes messages and settles their invoices until ctx ends, then drains. It
// returns worker.ErrDeadline if handlings did not end in time. Run does it by itself.
func (c *Consumer) Work(ctx context.Context) error {
	// Handlings need permits until the last one has ended.
	defer run(context.WithoutCancel(ctx), c.limiter.Run)()
	return c.pool.Run(ctx)
}

// Run works, and serves the admin listener, until ctx ends.
func (c *Consumer) Run(ctx context.Context) error {
	failed := make(chan error, 1)
	working := newWorking(c.Work)
	admin := &telemetry.Admin{
		Live:     c.pool.Alive,
		Ready:    func() error { return c.ready(working) },
		Registry: c.registry,
		Pprof:    c.settings.Admin.Pprof,
	}
	err := lifecycle.Run(ctx, failed,
		lifecycle.Part{Name: "tracing", Stop: c.tracing.Stop, Limit: telemetry.FlushTimeout},
		lifecycle.Part{
			Name: "admin listener",
			Start: func(ctx context.Context) error {
				addr, err := admin.Start(ctx, c.settings.Admin.Addr, failed)
				if err != nil {
					return err
				}
				c.logger.Info().Stringer("admin", addr).Msg("consumer started")
				return nil
			},
			Stop:  admin.Stop,
			Limit: adminTimeout,
		},
		lifecycle.Part{
			Name:  "workers",
			Start: working.start,
			Stop:  working.stop,
			Limit: c.settings.Worker.DrainTimeout + 2*settleTimeout + sqsqueue.PollWait,
		},
	)
	if err != nil {
		return err
	}
	c.logger.Info().Msg("consumer stopped")
	return nil
}

// ready returns why the consumer cannot do its job now, or nil.
func (c *Consumer) ready(working *working) error {
	pause := c.limiter.Status().OperatorPause
	switch {
	case working.draining():
		return errDraining
	case c.breaker.Open():
		return errors.New(c.breaker.Reason())
	case pause.InForce():
		return fmt.Errorf("an operator stopped all calls to Chargebee: %s", pause.Reason)
	default:
		return c.health.Check()
	}
}
