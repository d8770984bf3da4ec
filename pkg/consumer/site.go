package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/chargebeeapi"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/ratelimit"
)

// site is how a command calls Chargebee: within the limit that it shares with all consumers.
type site struct {
	*chargebeeapi.Client
	*ratelimit.Limiter
}

// callSite runs call, which calls Chargebee. While an operator has stopped all calls, it fails at once: a
// command shall not hang until somebody resumes.
func callSite(ctx context.Context, settings config.Consumer, around Surroundings, call func(site) error) error {
	config := siteConfig(settings)
	config.Now, config.Transport = around.now(), around.Chargebee
	client, err := chargebeeapi.New(config)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	store := newStore(around.AWS, settings).RateLimit()
	found, err := store.Read(ctx)
	switch {
	case err != nil:
		return err
	case found.OperatorPause.InForce():
		return fmt.Errorf("an operator stopped all calls to Chargebee (%s): consumer resume --yes lets them go on", found.OperatorPause.Reason)
	}
	limit := limiterConfig(settings, store, around.now())
	limit.Command = true
	limiter := ratelimit.New(limit)
	defer run(ctx, limiter.Run)()
	return call(site{client, limiter})
}

// run runs work in the background. It returns a function that ends it and waits for its end.
func run(ctx context.Context, work func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		work(ctx)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// once makes one call under a permit, for which it waits as long as waiting lasts. After an
// error that is no *billing.Failure nothing was sent.
func (s site) once(waiting context.Context, call func(*ratelimit.Permit) error) error {
	permit, err := s.Acquire(waiting)
	if err != nil {
		return err
	}
	err = call(permit)
	if failure, failed := errors.AsType[*billing.Failure](err); failed && failure.OfSite() {
		s.Pause(permit, failure.RetryAfter)
	}
	return err
}

func siteConfig(settings config.Consumer) chargebeeapi.Config {
	return chargebeeapi.Config{
		Site:          settings.Chargebee.Site,
		BaseURL:       settings.Chargebee.BaseURL,
		APIKey:        settings.Chargebee.APIKey.Reveal(),
		MaxConcurrent: settings.Worker.Concurrency,
		CallTimeout:   settings.Chargebee.CallTimeout,
	}
}

func limiterConfig(settings config.Consumer, store ratelimit.Store, now func() time.Time) ratelimit.Config {
	return ratelimit.Config{
		Store:             store,
		Now:               now,
		RequestsPerMinute: settings.Chargebee.RequestsPerMinute,
		Jitter:            settings.RateLimit.Jitter,
	}
}
