package consumer

import (
	"context"
	"errors"
	"fmt"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/budget"
	"github.com/billable-events/billable/pkg/chargebeeapi"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/pace"
)

// site is how a command calls Chargebee: within the budget that it shares with all
// consumers, before whom it goes.
type site struct {
	*chargebeeapi.Client
	*budget.Member
}

// callSite has call do what takes calls to Chargebee, and gives the command's share of the
// budget back afterwards. While an operator has stopped all calls, it fails at once: a
// command shall not hang until somebody resumes.
func callSite(ctx context.Context, settings config.Consumer, around Surroundings, call func(site) error) error {
	config := siteConfig(settings)
	config.Now, config.Transport = around.now(), around.Chargebee
	client, err := chargebeeapi.New(config)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	store := newStore(around.AWS, settings)
	found, err := store.Budget(ctx)
	switch {
	case err != nil:
		return err
	case found.Hold != nil:
		return fmt.Errorf("an operator stopped all calls to Chargebee (%s): consumer resume --yes lets them go on", found.Hold.Reason)
	}
	member := budget.NewMember(budget.Config{Store: store, Now: around.now(), Limits: limits(settings), Command: true})
	sharing, leave := context.WithCancel(ctx)
	left := make(chan struct{})
	go func() {
		defer close(left)
		member.Run(sharing)
	}()
	defer func() {
		leave()
		<-left
	}()
	return call(site{client, member})
}

// once makes one call under a permit, for which it waits as long as waiting lasts. After an
// error that is no *billing.Failure nothing was sent.
func (s site) once(waiting context.Context, call func(*pace.Permit) error) error {
	permit, err := s.Acquire(waiting)
	if err != nil {
		return err
	}
	defer permit.Release()
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
		MaxConcurrent: settings.Chargebee.MaxConcurrent,
		CallTimeout:   settings.Chargebee.CallTimeout,
	}
}

func limits(settings config.Consumer) budget.Limits {
	return budget.Limits{
		RequestsPerMinute: settings.Chargebee.RequestsPerMinute,
		MaxConcurrent:     settings.Chargebee.MaxConcurrent,
		CallTimeout:       settings.Chargebee.CallTimeout,
		Jitter:            settings.Budget.Jitter,
	}
}
