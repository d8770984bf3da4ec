package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/chargebeeapi"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/dynamostore"
	"github.com/billable-events/billable/pkg/lifecycle"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/retry"
	"github.com/billable-events/billable/pkg/settlement"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

const (
	checkInterval     = 15 * time.Second // between checks while all dependencies work
	recheckInterval   = 3 * time.Second  // between checks while a dependency fails
	checkTimeout      = 5 * time.Second  // of the check of one dependency
	callDelay         = 10 * time.Second // between calls of checkChargebee
	unauthorizedDelay = time.Minute      // instead of callDelay while Chargebee refuses the API key
)

var errStarting = errors.New("starting: dependencies are being checked")

// dependencies checks what sessions need: the queue, both tables, the rate limit and Chargebee.
type dependencies struct {
	logger    zerolog.Logger
	store     *dynamostore.Store
	limiter   *ratelimit.Limiter
	breaker   *settlement.Breaker
	chargebee *chargebeeapi.Client
	member    *member
	queue     *sqsqueue.Health
	list      []dependency

	keyAccepted atomic.Bool // Chargebee has accepted the present API key
	// Only checkChargebee uses the next two.
	chargebeeErr error     // of its last call
	nextCall     time.Time // when it may call next

	mu         sync.Mutex
	lastErrors map[string]error // of the last check, by name; nil if the dependency works

	stopChecks func()
}

type dependency struct {
	name, remedy string
	check        func(context.Context) error
}

func (d *dependencies) init(settings config.Consumer) {
	const table = ", AWS_REGION and the permissions of the role, or create the table with consumer tables create; consumer check shows more"
	d.lastErrors = map[string]error{}
	d.list = []dependency{
		{"queue", "check queue.url, AWS_REGION and the permissions of the role; consumer check shows more", func(context.Context) error { return d.queue.Check() }},
		{"events table", "check events.table (" + settings.Events.Table + ")" + table, d.store.CheckEvents},
		{"ledger table", "check ledger.table (" + settings.Ledger.Table + ")" + table, d.member.check},
		{"rate limit", "its item is in the ledger table: check ledger.table (" + settings.Ledger.Table + ")" + table, d.checkRateLimit},
		{"Chargebee", "check chargebee.site (" + settings.Chargebee.Host() + "), chargebee.api_key and the network", d.checkChargebee},
	}
}

// start checks all dependencies once, and then repeatedly until stop. It returns an error only if the settings do not
// fit the ledger, an *config.Error. If a later check finds that, it sends the error to failed, and the checks end.
func (d *dependencies) start(ctx context.Context, failed chan<- error) error {
	stopLimiter := lifecycle.Background(ctx, d.limiter.Run) // Work runs it during the later checks
	wait, err := d.check(ctx)
	stopLimiter()
	if err != nil {
		return err
	}
	d.stopChecks = lifecycle.Background(context.WithoutCancel(ctx), func(ctx context.Context) {
		for retry.Wait(ctx, wait, nil) == nil {
			if wait, err = d.check(ctx); err != nil {
				failed <- err
				return
			}
		}
	})
	return nil
}

func (d *dependencies) stop(ctx context.Context) error {
	d.stopChecks()
	return d.member.leave(ctx)
}

// check checks all dependencies concurrently, and returns the delay until the next check. refused is an *config.Error
// if the settings do not fit the ledger, otherwise nil.
func (d *dependencies) check(ctx context.Context) (wait time.Duration, refused error) {
	errs := make([]error, len(d.list))
	var checks sync.WaitGroup
	for i, dependency := range d.list {
		checks.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, checkTimeout)
			defer cancel()
			errs[i] = dependency.check(ctx)
		})
	}
	checks.Wait()
	select {
	case <-ctx.Done(): // the checks may have failed because of it
		return 0, nil
	default:
	}
	wait = checkInterval
	for i, err := range errs {
		if _, isRefusal := errors.AsType[*config.Error](err); isRefusal {
			return 0, err
		}
		d.record(d.list[i], err)
		if err != nil {
			wait = recheckInterval
		}
	}
	return wait, nil
}

// record stores the result of a check. It logs if the dependency has failed or works again.
func (d *dependencies) record(dependency dependency, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	failedBefore := d.lastErrors[dependency.name] != nil
	d.lastErrors[dependency.name] = err
	switch {
	case err != nil && !failedBefore:
		d.logger.Error().Err(err).Str("dependency", dependency.name).Str("remedy", dependency.remedy).Msg("dependency failed; consumer is not ready")
	case err == nil && failedBefore:
		d.logger.Info().Str("dependency", dependency.name).Msg("dependency works again")
	}
}

// failure returns the error and the remedy of the first dependency that failed at the last check, or nil. Before the
// first check it returns errStarting.
func (d *dependencies) failure() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, dependency := range d.list {
		switch err, checked := d.lastErrors[dependency.name]; {
		case !checked:
			return errStarting
		case err != nil:
			return fmt.Errorf("%s: %w: %s", dependency.name, err, dependency.remedy)
		}
	}
	return nil
}

func (d *dependencies) checkRateLimit(ctx context.Context) error {
	_, err := d.store.RateLimit().Read(ctx)
	return err
}

// recordAccepted sets keyAccepted if the kind of a response shows that Chargebee has accepted the API key.
func (d *dependencies) recordAccepted(kind string) {
	switch kind {
	case billing.Unauthorized.String(), billing.Unknown.String(), billing.Transient.String():
	default:
		d.keyAccepted.Store(true)
	}
}

// checkChargebee calls Chargebee if it has not accepted the API key yet, or if the circuit breaker is open: without
// messages nothing else would close it. If no call can be made now, it returns the result of the last call.
func (d *dependencies) checkChargebee(ctx context.Context) error {
	if d.keyAccepted.Load() && !d.breaker.Open() {
		d.chargebeeErr = nil
		return nil
	}
	state, err := d.store.RateLimit().Read(ctx)
	if err != nil || state.OperatorPause.InForce() || state.Pause.InForce() || time.Now().Before(d.nextCall) {
		return d.chargebeeErr
	}
	err = ratelimit.Do(ctx, d.limiter, func(permit *ratelimit.Permit) error {
		_, err := d.chargebee.Time(ctx, permit)
		return err
	})
	failure, failed := errors.AsType[*billing.Failure](err)
	if err != nil && !failed {
		return d.chargebeeErr // no permit
	}
	d.breaker.Record("", err)
	d.chargebeeErr, d.nextCall = nil, time.Now().Add(callDelay)
	switch {
	case !failed:
	case failure.Kind == billing.Unauthorized:
		d.chargebeeErr, d.nextCall = err, time.Now().Add(unauthorizedDelay)
	case failure.Kind == billing.Unknown, failure.Kind == billing.Transient:
		d.chargebeeErr = err
	}
	return d.chargebeeErr
}
