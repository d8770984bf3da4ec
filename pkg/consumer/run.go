package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/budget"
	"github.com/billable-events/billable/pkg/chargebeeapi"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/lifecycle"
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

// run works until ctx ends.
func (a *app) run(ctx context.Context) error {
	settings, logger, err := a.settings(config.QueueURL, config.DeadLetterURL, config.ChargebeeSite, config.ChargebeeKey)
	if err != nil {
		return err
	}
	parts, failed, err := assemble(ctx, settings, logger)
	if err != nil {
		return err
	}
	if err := lifecycle.Run(ctx, failed, parts...); err != nil {
		return err
	}
	logger.Info().Msg("consumer stopped")
	return nil
}

// assemble wires everything the workers need.
func assemble(ctx context.Context, settings config.Consumer, logger zerolog.Logger) ([]lifecycle.Part, <-chan error, error) {
	aws, err := awsConfig(ctx, settings, logger)
	if err != nil {
		return nil, nil, err
	}
	pacer := budget.NewPacer(time.Now, budget.Limits{
		RequestsPerMinute: settings.Chargebee.RequestsPerMinute,
		MaxConcurrent:     settings.Chargebee.MaxConcurrent,
		Jitter:            settings.Budget.Jitter,
	})
	breaker := settlement.NewBreaker(time.Now)
	registry := telemetry.NewRegistry()
	observer := observer{newMetrics(registry, pacer, breaker), logger}
	chargebee, err := chargebeeapi.New(chargebeeapi.Config{
		Site:          settings.Chargebee.Site,
		BaseURL:       settings.Chargebee.BaseURL,
		APIKey:        settings.Chargebee.APIKey.Reveal(),
		MaxConcurrent: settings.Chargebee.MaxConcurrent,
		CallTimeout:   settings.Chargebee.CallTimeout,
		Observe:       observer.called,
	})
	if err != nil {
		return nil, nil, err
	}
	store := newStore(aws, settings)
	client := sqs.NewFromConfig(aws)
	pool := &worker.Pool{
		Queue:       sqsqueue.NewQueue(client, settings.Queue.URL, settings.Worker.VisibilityTimeout),
		DeadLetters: sqsqueue.NewDeadLetters(client, settings.Queue.DeadLetterURL),
		Handler: &settlement.Settler{
			Ledger:   store,
			Claims:   store,
			Events:   store,
			Charger:  chargebee,
			Invoices: chargebee,
			Pacer:    pacer,
			Breaker:  breaker,
			Observer: settlementObserver{observer},
			Now:      time.Now,
			Settings: settlementSettings(settings),
		},
		Gates:         []worker.Gate{breaker, pacer},
		Observer:      workerObserver{observer},
		Concurrency:   settings.Worker.Concurrency,
		Visibility:    settings.Worker.VisibilityTimeout,
		Beat:          min(settings.Worker.VisibilityTimeout, settings.Ledger.Lease) / 3,
		DrainTimeout:  settings.Worker.DrainTimeout,
		SettleTimeout: settleTimeout,
	}
	failed := make(chan error, 1)
	working := newWorkingPool(pool)
	queue := sqsqueue.NewHealth(client, settings.Queue.URL)
	ready := func() error {
		switch {
		case working.draining():
			return errors.New("draining")
		case breaker.Open():
			return errors.New(breaker.Reason())
		default:
			return queue.Check()
		}
	}
	admin := adminPart{
		admin:  &telemetry.Admin{Live: pool.Alive, Ready: ready, Registry: registry, Pprof: settings.Admin.Pprof},
		addr:   settings.Admin.Addr,
		logger: logger,
	}
	return []lifecycle.Part{
		{Name: "admin listener", Start: func(ctx context.Context) error { return admin.start(ctx, failed) }, Stop: admin.admin.Stop, Limit: adminTimeout},
		{Name: "workers", Start: working.start, Stop: working.stop, Limit: settings.Worker.DrainTimeout + 2*settleTimeout + sqsqueue.PollWait},
	}, failed, nil
}

func settlementSettings(settings config.Consumer) settlement.Settings {
	return settlement.Settings{
		Lease:              settings.Ledger.Lease,
		CallTimeout:        settings.Chargebee.CallTimeout,
		LateBound:          settings.Chargebee.LateBound,
		IdempotencyWindow:  settings.Chargebee.IdempotencyWindow,
		MaxSkew:            settings.Clock.MaxSkew,
		MaxAttempts:        settings.Worker.MaxAttempts,
		Close:              settings.Invoice.Close,
		CloseWithoutEvents: settings.Invoice.CloseWithoutEvents,
		MaxAmount:          settings.Invoice.MaxAmount,
	}
}

// adminPart starts the admin listener and says where it is.
type adminPart struct {
	admin  *telemetry.Admin
	addr   string
	logger zerolog.Logger
}

func (a adminPart) start(ctx context.Context, failed chan<- error) error {
	addr, err := a.admin.Start(ctx, a.addr, failed)
	if err != nil {
		return err
	}
	a.logger.Info().Str("admin", addr.String()).Msg("consumer started")
	return nil
}

// workingPool runs the pool until it is stopped. Its context is not the process's:
// the pool drains when its turn to stop has come.
type workingPool struct {
	pool  *worker.Pool
	ctx   context.Context //nolint:containedctx // the pool's life is longer than that of start
	drain context.CancelFunc
	ended chan error
}

func newWorkingPool(pool *worker.Pool) *workingPool {
	ctx, drain := context.WithCancel(context.Background())
	return &workingPool{pool: pool, ctx: ctx, drain: drain, ended: make(chan error, 1)}
}

func (w *workingPool) start(context.Context) error {
	go func() { w.ended <- w.pool.Run(w.ctx) }()
	return nil
}

func (w *workingPool) stop(ctx context.Context) error {
	w.drain()
	select {
	case err := <-w.ended:
		return err
	case <-ctx.Done():
		return fmt.Errorf("drain: %w", context.Cause(ctx))
	}
}

func (w *workingPool) draining() bool { return w.ctx.Err() != nil }
