package receiver

import (
	"context"
	"errors"
	"log"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/lifecycle"
	"github.com/billable-events/billable/pkg/sqsqueue"
	"github.com/billable-events/billable/pkg/telemetry"
	"github.com/billable-events/billable/pkg/webhook"
)

const (
	// flushTimeout bounds the wait for batches in flight after the last response. Their clients have left.
	flushTimeout = 5 * time.Second
	// spareConnections are in addition to one for each batch in flight, for example for the readiness check.
	spareConnections = 4
)

var errDraining = errors.New("draining")

// Deps are the dependencies of a Receiver.
type Deps struct {
	AWS     aws.Config
	Tracing *telemetry.Tracing // may be nil
}

// Receiver accepts webhooks and sends them to the queue.
type Receiver struct {
	settings config.Receiver
	logger   zerolog.Logger
	tracing  *telemetry.Tracing
	registry *prometheus.Registry
	metrics  *metrics
	sender   *sqsqueue.Sender
	health   *sqsqueue.Health
	handler  *webhook.Handler

	reloadFailed func(err error, first bool)
}

// New returns a receiver. It makes no calls.
func New(settings config.Receiver, deps Deps, logger zerolog.Logger) *Receiver {
	client := sqs.NewFromConfig(deps.AWS)
	registry := telemetry.NewRegistry(cli.Version())
	metrics := newMetrics(registry)
	tracer := tracing{deps.Tracing, path.Base(settings.Queue.URL)}
	sender := sqsqueue.NewSender(tracer.traceBatches(client), settings.Queue.URL, metrics)
	handler := webhook.NewHandler(webhook.Config{
		Queue:                tracer.traceMessages(sender),
		Observer:             newObserver(metrics, logger),
		Now:                  time.Now,
		Middleware:           tracer.middleware(),
		Credentials:          credentialsOf(settings.Auth),
		AllowUnauthenticated: settings.Auth.Disabled,
		TrustedProxies:       settings.HTTP.TrustedProxies,
		MaxInFlight:          settings.HTTP.MaxInFlight,
		MaxInFlightBytes:     int64(settings.HTTP.MaxInFlightBytes),
		MaxBodyBytes:         int64(settings.HTTP.MaxBodyBytes),
		RequestTimeout:       settings.HTTP.RequestTimeout,
	})
	inFlight := prometheus.GaugeOpts{Name: "webhook_in_flight", Help: "Webhooks in flight."}
	telemetry.Metrics(registry).NewGaugeFunc(inFlight, func() float64 { return float64(handler.InFlight()) })
	return &Receiver{
		settings: settings,
		logger:   logger,
		tracing:  deps.Tracing,
		registry: registry,
		metrics:  metrics,
		sender:   sender,
		health:   sqsqueue.NewHealth(client, settings.Queue.URL),
		handler:  handler,

		reloadFailed: telemetry.ReloadFailures(registry, logger),
	}
}

// Handler returns the handler of webhooks.
func (r *Receiver) Handler() http.Handler { return r.handler }

// Ready returns why the receiver is not ready, or nil.
func (r *Receiver) Ready() error {
	if r.handler.Draining() {
		return errDraining
	}
	return r.health.Check()
}

// Metrics returns the registry, which Run serves on the admin listener.
func (r *Receiver) Metrics() *prometheus.Registry { return r.registry }

// Close makes the sender refuse further messages, and waits for those in flight. Run calls it.
func (r *Receiver) Close(ctx context.Context) error { return r.sender.Close(ctx) }

// Run serves on the listeners until ctx ends or one of them fails. Then it becomes unready, continues to serve
// for http.shutdown_delay, completes the requests in flight, and returns.
func (r *Receiver) Run(ctx context.Context) error {
	failed := make(chan error, 2) // one per listener
	admin := &telemetry.Admin{Live: r.sender.Alive, Ready: r.Ready, Registry: r.registry, Pprof: r.settings.Admin.Pprof}
	server := &webhook.Server{
		Handler:       r.handler,
		ShutdownDelay: r.settings.HTTP.ShutdownDelay,
		IdleTimeout:   r.settings.HTTP.IdleTimeout,
		ErrorLog:      log.New(connectionLog{r.logger}, "", 0),
		Evicted:       r.metrics.evictions.Inc,
	}
	err := lifecycle.Run(ctx, failed,
		lifecycle.Component{Name: "tracing", Stop: r.tracing.Stop, StopTimeout: telemetry.FlushTimeout},
		admin.Component(r.settings.Admin.Addr, failed),
		lifecycle.Component{Name: "queue", Stop: r.Close, StopTimeout: flushTimeout},
		lifecycle.BackgroundComponent("credentials", r.WatchCredentials),
		lifecycle.Component{
			Name: "webhook listener",
			Start: func(ctx context.Context) error {
				addr, err := server.Start(ctx, r.settings.HTTP.Addr, failed)
				if err != nil {
					return err
				}
				r.logger.Info().Str("version", cli.Version()).
					Stringer("http", addr).Stringer("admin", admin.Addr).Msg("receiver started")
				return nil
			},
			Stop: func(ctx context.Context) error {
				r.logger.Info().Dur("delay_ms", server.ShutdownDelay).Msg("receiver stopping")
				return server.Stop(ctx)
			},
			StopTimeout: server.StopTimeout(),
		},
	)
	if err != nil {
		return err
	}
	r.logger.Info().Msg("receiver stopped")
	return nil
}

// connectionLog logs what the HTTP server writes to its ErrorLog.
type connectionLog struct{ logger zerolog.Logger }

func (l connectionLog) Write(line []byte) (int, error) {
	l.logger.Warn().Str("problem", strings.TrimSpace(string(line))).Msg("connection error")
	return len(line), nil
}
