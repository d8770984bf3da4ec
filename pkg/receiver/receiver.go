package receiver

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/awsclient"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/lifecycle"
	"github.com/billable-events/billable/pkg/sqsqueue"
	"github.com/billable-events/billable/pkg/telemetry"
	"github.com/billable-events/billable/pkg/webhook"
)

const (
	adminTimeout = 5 * time.Second
	// flushTimeout is for batches under way when the last request has been answered:
	// those of requests that were given up.
	flushTimeout = 5 * time.Second
	// spareConnections are for the readiness check, and for sends that overlap.
	spareConnections = 4
)

var errDraining = errors.New("draining")

// awsConfig reads region, credentials and endpoint the SDK's own way.
func awsConfig(ctx context.Context, logger zerolog.Logger) (aws.Config, error) {
	return awsclient.Load(ctx, awsclient.Options{
		Connections: sqsqueue.MaxConcurrentBatches + spareConnections,
		Log:         func(format string, values ...any) { logger.Debug().Str("component", "aws-sdk").Msgf(format, values...) },
	})
}

// Deps is what a receiver finds outside of itself.
type Deps struct {
	AWS     aws.Config
	Tracing *telemetry.Tracing // nil: no spans are made
}

// Receiver is the receiver with all its parts, between the settings and the
// listeners.
type Receiver struct {
	settings config.Receiver
	logger   zerolog.Logger
	tracing  *telemetry.Tracing
	registry *prometheus.Registry
	metrics  *metrics
	sender   *sqsqueue.Sender
	health   *sqsqueue.Health
	handler  *webhook.Handler
}

// New wires a receiver. It calls nobody.
func New(settings config.Receiver, surroundings Deps, logger zerolog.Logger) *Receiver {
	client := sqs.NewFromConfig(surroundings.AWS)
	registry := telemetry.NewRegistry()
	metrics := newMetrics(registry)
	tracing := tracing{surroundings.Tracing, path.Base(settings.Queue.URL)}
	sender := sqsqueue.NewSender(tracing.batches(client), settings.Queue.URL, metrics)
	handler := webhook.NewHandler(webhook.Config{
		Queue:            tracing.messages(sender),
		Observer:         newObserver(metrics, logger),
		Now:              time.Now,
		Middleware:           tracing.requests(),
		Credentials:      credentials(settings.Auth),
		AllowUnauthenticated:           settings.Auth.Disabled,
		MaxInFlight:      settings.HTTP.MaxInFlight,
		MaxInFlightBytes: int64(settings.HTTP.MaxInFlightBytes),
		MaxBodyBytes:     int64(settings.HTTP.MaxBodyBytes),
		RequestTimeout:   settings.HTTP.RequestTimeout,
	})
	metrics.watch(registry, handler)
	return &Receiver{
		settings: settings,
		logger:   logger,
		tracing:  surroundings.Tracing,
		registry: registry,
		metrics:  metrics,
		sender:   sender,
		health:   sqsqueue.NewHealth(client, settings.Queue.URL),
		handler:  handler,
	}
}

// Handler answers webhooks, without a listener.
func (r *Receiver) Handler() http.Handler { return r.handler }

// Ready returns why the receiver cannot do its job now, or nil.
func (r *Receiver) Ready() error {
	if r.handler.Draining() {
		return errDraining
	}
	return r.health.Check()
}

// Metrics returns what the receiver counts. Run serves it on the admin listener.
func (r *Receiver) Metrics() *prometheus.Registry { return r.registry }

// Close takes no further events, and waits for those that are on their way into the
// queue. Run does it by itself.
func (r *Receiver) Close(ctx context.Context) error { return r.sender.Close(ctx) }

// Run serves on the listeners until ctx ends. Then it turns unready, goes on serving
// for the drain pause, answers the requests in flight, and ends.
func (r *Receiver) Run(ctx context.Context) error {
	failed := make(chan error, 2) // one of each listener
	admin := &telemetry.Admin{Live: r.sender.Alive, Ready: r.Ready, Registry: r.registry, Pprof: r.settings.Admin.Pprof}
	server := &webhook.Server{
		Handler:       r.handler,
		ShutdownDelay: r.settings.HTTP.ShutdownDelay,
		ErrorLog:      log.New(connectionLog{r.logger}, "", 0),
	}
	var adminAddr net.Addr
	err := lifecycle.Run(ctx, failed,
		lifecycle.Part{Name: "tracing", Stop: r.tracing.Stop, Limit: telemetry.FlushTimeout},
		lifecycle.Part{
			Name: "admin listener",
			Start: func(ctx context.Context) (err error) {
				adminAddr, err = admin.Start(ctx, r.settings.Admin.Addr, failed)
				return err
			},
			Stop:  admin.Stop,
			Limit: adminTimeout,
		},
		lifecycle.Part{Name: "queue", Stop: r.Close, Limit: flushTimeout},
		r.watching(),
		lifecycle.Part{
			Name: "webhook listener",
			Start: func(ctx context.Context) error {
				addr, err := server.Start(ctx, r.settings.HTTP.Addr, failed)
				if err != nil {
					return err
				}
				r.logger.Info().Str("version", cli.Version()).
					Stringer("http", addr).Stringer("admin", adminAddr).Msg("receiver started")
				return nil
			},
			Stop: func(ctx context.Context) error {
				r.logger.Info().Dur("delay_ms", server.ShutdownDelay).Msg("receiver stopping")
				return server.Stop(ctx)
			},
			Limit: server.StopTimeout(),
		},
	)
	if err != nil {
		return err
	}
	r.logger.Info().Msg("receiver stopped")
	return nil
}

// connectionLog is where net/http tells of trouble with connections.
type connectionLog struct{ logger zerolog.Logger }

func (l connectionLog) Write(line []byte) (int, error) {
	l.logger.Warn().Str("problem", strings.TrimSpace(string(line))).Msg("connection")
	return len(line), nil
}
