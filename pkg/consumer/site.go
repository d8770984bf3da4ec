package consumer

import (
	"context"
	"fmt"

	"github.com/billable-events/billable/pkg/budget"
	"github.com/billable-events/billable/pkg/chargebeeapi"
	"github.com/billable-events/billable/pkg/config"
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
