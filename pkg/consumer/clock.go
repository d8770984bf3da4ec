package consumer

import (
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/chargebeeapi"
	"github.com/billable-events/billable/pkg/preflight"
	"github.com/billable-events/billable/pkg/settlement"
)

// minClockLimit is the lowest limit of the difference, because the header Date has whole seconds.
const minClockLimit = time.Second

// clockChecker compares the clock of this process with Chargebee's, by the header Date of each response. A difference
// above clock.max_skew opens the circuit breaker. Then dependencies.checkChargebee calls Chargebee until the clocks
// agree.
type clockChecker struct {
	maxSkew    time.Duration
	breaker    *settlement.Breaker
	logger     zerolog.Logger
	difference atomic.Int64 // preflight.ClockDifference of the last response, in nanoseconds
}

// record evaluates a response. If its call took longer than the limit it can open the breaker, but not close it: when
// during the call Chargebee's clock was read is unknown.
func (c *clockChecker) record(observation chargebeeapi.Observation) {
	if observation.Date.IsZero() {
		return
	}
	limit := max(c.maxSkew, minClockLimit)
	difference := preflight.ClockDifference(observation.Date, observation.Started, observation.Started.Add(observation.Duration))
	c.difference.Store(int64(difference))
	clockError := ""
	switch {
	case difference.Abs() > limit:
		clockError = preflight.DescribeClockDifference(difference, c.maxSkew)
	case observation.Duration > limit:
		return
	}
	if changed := c.breaker.SetClockError(clockError); !changed {
		return
	}
	if clockError == "" {
		c.logger.Info().Msg("clock agrees with Chargebee's again")
		return
	}
	c.logger.Error().Dur("difference_ms", difference).Str("remedy", preflight.ClockRemedy).Msg("clock differs from Chargebee's; nothing is sent")
}

func (c *clockChecker) seconds() float64 { return time.Duration(c.difference.Load()).Seconds() }
