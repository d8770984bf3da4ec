package consumer

import (
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/chargebeeapi"
	"github.com/billable-events/billable/pkg/preflight"
	"github.com/billable-events/billable/pkg/settlement"
)

// minClockSkew is the smallest difference that counts as wrong: a Date has whole seconds.
const minClockSkew = time.Second

// clock compares the clock of this process with Chargebee's, by the Date of each response. While they differ by
// more than clock.max_skew, the circuit breaker is open. The check of dependencies then calls Chargebee until a
// response shows that they agree.
type clock struct {
	maxSkew    time.Duration
	breaker    *settlement.Breaker
	logger     zerolog.Logger
	difference atomic.Int64 // certain, by the last response; negative: this clock is behind
}

func (c *clock) record(observation chargebeeapi.Observation) {
	if observation.Date.IsZero() {
		return
	}
	limit := max(c.maxSkew, minClockSkew)
	difference := preflight.ClockDifference(observation.Date, observation.Started, observation.Started.Add(observation.Duration))
	c.difference.Store(int64(difference))
	reason := ""
	switch {
	case difference.Abs() > limit:
		reason = preflight.DescribeClockDifference(difference, c.maxSkew)
	case observation.Duration > limit: // too slow to show that they agree
		return
	}
	if !c.breaker.SetClockError(reason) {
		return
	}
	if reason == "" {
		c.logger.Info().Msg("clock agrees with Chargebee's again")
		return
	}
	c.logger.Error().Dur("difference_ms", difference).Str("remedy", preflight.ClockRemedy).Msg("clock differs from Chargebee's; nothing is sent")
}

func (c *clock) seconds() float64 { return time.Duration(c.difference.Load()).Seconds() }
