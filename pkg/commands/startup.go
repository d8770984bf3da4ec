package commands

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/finding"
	"github.com/billable-events/billable/pkg/preflight"
)

// startupTimeout limits how long the start waits for SQS, which may be unavailable.
const startupTimeout = 5 * time.Second

// checkQueuesAtStart returns a UsageError for the first finding that the consumer must not start with. It
// logs other findings of level error, and leaves warnings to consumer check.
func (c *checker) checkQueuesAtStart(ctx context.Context, logger zerolog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, startupTimeout)
	defer cancel()
	for _, found := range c.evaluateQueues(c.describeQueues(ctx)) {
		switch {
		case preflight.PreventsStart(found):
			return cli.UsageError{Err: fmt.Errorf("%s: %s: %s", found.Subject, found.Message, found.Solution)}
		case found.Level == finding.Error:
			logger.Error().Str("subject", found.Subject).Str("name", found.Name).Str("detail", found.Message).Str("remedy", found.Solution).Msg("queue is not set up as required")
		}
	}
	return nil
}
