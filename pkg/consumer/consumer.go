package consumer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/awsclient"
	"github.com/billable-events/billable/pkg/chargebeeapi"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/lifecycle"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/settlement"
	"github.com/billable-events/billable/pkg/sqsqueue"
	"github.com/billable-events/billable/pkg/telemetry"
	"github.com/billable-events/billable/pkg/worker"
)

// settleTimeout is worker.Pool.SettleTimeout: for sessions that are canceled after the drain timeout.
const settleTimeout = 10 * time.Second

var errDraining = errors.New("draining")

// Consumer receives messages and settles their invoices.
type Consumer struct {
	settings config.Consumer
	logger   zerolog.Logger
	tracing  *telemetry.Tracing
	registry *prometheus.Registry
	breaker  *settlement.Breaker
	limiter  *ratelimit.Limiter
	pool     *worker.Pool

	chargebee    *chargebeeapi.Client
	dependencies *dependencies
	reloadFailed func(err error, first bool)
}

// New returns a consumer. It makes no call.
func New(settings config.Consumer, deps Deps, logger zerolog.Logger) (*Consumer, error) {
	now := deps.Clock()
	if deps.Tracing != nil {
		deps.AWS = awsclient.Trace(deps.AWS, deps.Tracing)
	}
	store := NewStore(deps.AWS, settings)
	client := sqs.NewFromConfig(deps.AWS)
	registry := telemetry.NewRegistry(cli.Version())
	recorder := observer{newMetrics(registry), logger, deps.Tracing}
	limiterConfig := LimiterConfig(settings, store.RateLimit(), now)
	limiterConfig.Observe = recorder.recordRateLimit
	limiter := ratelimit.New(limiterConfig)
	breaker := settlement.NewBreaker(now)
	self := newMember(settings, store, logger, now)
	clocks := &clockChecker{maxSkew: settings.Clock.MaxSkew, breaker: breaker, logger: logger}
	gauges{limiter, settings.Chargebee.RequestsPerMinute, breaker, self, clocks}.register(registry)
	checks := &dependencies{
		logger: logger, store: store, limiter: limiter, breaker: breaker, member: self,
		queue: sqsqueue.NewHealth(client, settings.Queue.URL),
	}
	chargebeeConfig := ChargebeeConfig(settings, deps)
	chargebeeConfig.Observe = func(ctx context.Context, observation chargebeeapi.Observation) {
		recorder.recordCall(ctx, observation)
		checks.recordAccepted(observation.Kind)
		clocks.record(observation)
	}
	chargebee, err := chargebeeapi.New(chargebeeConfig)
	if err != nil {
		return nil, err
	}
	checks.chargebee = chargebee
	checks.init(settings)
	settler := &settlement.Settler{
		Ledger:      store,
		Claims:      store,
		Events:      store,
		Charger:     chargebee,
		Invoices:    chargebee,
		RateLimiter: limiter,
		Breaker:     breaker,
		Observer:    settlementObserver{recorder},
		Now:         now,
		Settings:    SettlementSettings(settings),
	}
	return &Consumer{
		settings: settings,
		logger:   logger,
		tracing:  deps.Tracing,
		registry: registry,
		breaker:  breaker,
		limiter:  limiter,

		chargebee:    chargebee,
		dependencies: checks,
		reloadFailed: telemetry.ReloadFailures(registry, logger),

		pool: &worker.Pool{
			Queue:             sqsqueue.NewQueue(client, settings.Queue.URL, settings.Worker.VisibilityTimeout),
			DeadLetters:       sqsqueue.NewDeadLetters(client, settings.Queue.DeadLetterURL),
			Handler:           traced(settler, deps.Tracing, path.Base(settings.Queue.URL)),
			Gates:             []worker.Gate{breaker, limiter},
			Observer:          workerObserver{recorder},
			Concurrency:       settings.Worker.Concurrency,
			VisibilityTimeout: settings.Worker.VisibilityTimeout,
			HeartbeatInterval: min(settings.Worker.VisibilityTimeout, settings.Ledger.Lease) / 3,
			DrainTimeout:      settings.Worker.DrainTimeout,
			SettleTimeout:     settleTimeout,
		},
	}, nil
}

// Metrics returns the metrics of the consumer. Run serves them on the admin listener.
func (c *Consumer) Metrics() *prometheus.Registry { return c.registry }

// Work receives messages and settles their invoices until ctx ends, then drains. It returns
// worker.ErrDeadline if sessions did not end in time. Run calls it.
func (c *Consumer) Work(ctx context.Context) error {
	// The limiter runs until the last session has ended, because sessions need permits.
	defer lifecycle.Background(context.WithoutCancel(ctx), c.limiter.Run)()
	return c.pool.Run(ctx)
}

// WatchAPIKey replaces the API key when the content of its file changes, until ctx ends. If no file holds
// the key, it returns immediately. Run calls it.
func (c *Consumer) WatchAPIKey(ctx context.Context) {
	config.Watch(ctx, c.settings, func(changed config.Consumer) {
		c.chargebee.SetAPIKey(changed.Chargebee.APIKey.Reveal())
		c.dependencies.keyAccepted.Store(false)
		c.logger.Info().Msg("API key changed")
	}, c.reloadFailed)
}

// Run works and serves the admin listener until ctx ends, the listener fails, or the settings do not fit the ledger.
func (c *Consumer) Run(ctx context.Context) error {
	failed := make(chan error, 2) // of the admin listener and the dependencies
	// working ends when the component of the workers is stopped. Then they drain.
	working, drain := context.WithCancel(context.WithoutCancel(ctx))
	defer drain()
	workersEnded := make(chan error, 1)
	admin := &telemetry.Admin{
		Live:     c.pool.Alive,
		Ready:    func() error { return c.ready(working.Err() != nil) },
		Registry: c.registry,
		Pprof:    c.settings.Admin.Pprof,
	}
	err := lifecycle.Run(ctx, failed,
		lifecycle.Component{Name: "tracing", Stop: c.tracing.Stop, StopTimeout: telemetry.FlushTimeout},
		admin.Component(c.settings.Admin.Addr, failed),
		lifecycle.BackgroundComponent("credentials", c.WatchAPIKey),
		lifecycle.Component{
			Name: "dependencies",
			Start: func(ctx context.Context) error {
				if err := c.dependencies.start(ctx, failed); err != nil {
					return err
				}
				c.logStart(admin.Addr)
				return nil
			},
			Stop:        c.dependencies.stop,
			StopTimeout: leaveTimeout + sqsqueue.HealthTimeout,
		},
		lifecycle.Component{
			Name: "workers",
			Start: func(context.Context) error {
				go func() { workersEnded <- c.dependencies.member.whenJoined(working, c.Work) }()
				return nil
			},
			Stop:        func(context.Context) error { drain(); return <-workersEnded },
			StopTimeout: sqsqueue.PollWait + c.settings.Worker.DrainTimeout + 2*settleTimeout, // the second is a reserve
		},
	)
	if err != nil {
		return err
	}
	c.logger.Info().Msg("consumer stopped")
	return nil
}

func (c *Consumer) logStart(admin net.Addr) {
	c.logger.Info().
		Str("version", cli.Version()).
		Str("site", c.settings.Chargebee.Host()).
		Str("queue", c.settings.Queue.URL).
		Str("events_table", c.settings.Events.Table).
		Str("ledger_table", c.settings.Ledger.Table).
		Int("requests_per_minute", c.settings.Chargebee.RequestsPerMinute).
		Int("max_concurrent", c.settings.Chargebee.MaxConcurrent).
		Int("concurrency", c.settings.Worker.Concurrency).
		Int64("max_amount", c.settings.Invoice.MaxAmount).
		Str("member", c.dependencies.member.id).
		Stringer("admin", admin).
		Msg("consumer started")
}

// ready returns why the consumer cannot settle invoices now, or nil.
func (c *Consumer) ready(draining bool) error {
	pause, failure := c.limiter.Status().OperatorPause, c.dependencies.failure()
	switch {
	case draining:
		return errDraining
	case c.breaker.Open():
		return errors.New(c.breaker.Reason())
	case pause.InForce():
		return fmt.Errorf("calls to Chargebee are paused by an operator: %s", pause.Reason)
	case failure != nil:
		return failure
	default:
		return c.dependencies.queue.Check() // the last check of the dependencies may be 15 s old
	}
}
