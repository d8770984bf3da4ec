package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/finding"
	"github.com/billable-events/billable/pkg/preflight"
)

var errCheck = errors.New("check failed: see the findings")

type checkResult struct {
	Findings []preflight.Finding `json:"findings"` // the most severe first
}

func (a *app) check() *cobra.Command {
	return a.withOutput(&cobra.Command{
		Use:     "check",
		Short:   "Check queues, tables, permissions, Chargebee and rate limit",
		Example: "  consumer check --config consumer.yaml",
		RunE: a.withDeps(func(ctx context.Context, deps Deps, _ []string) error {
			result := checkResult{deps.Check(ctx)}
			a.writeResult(result, func() { a.writeCheck(result) })
			if preflight.Failed(result.Findings) {
				return errCheck
			}
			return nil
		}, config.QueueURL, config.DeadLetterURL, config.ChargebeeSite, config.ChargebeeKey),
	})
}

func (a *app) writeCheck(result checkResult) {
	var rows [][]string
	for _, found := range result.Findings {
		rows = append(rows, []string{string(found.Level), found.Subject, found.Name, found.Message, found.Solution})
	}
	a.writeTable([]cli.Column{{Title: "level"}, {Title: "subject"}, {Title: "name"}, {Title: "finding"}, {Title: "solution", Below: true}}, rows)
}

// startupTimeout bounds checkQueuesAtStart: SQS may be unavailable.
const startupTimeout = 5 * time.Second

// checkQueuesAtStart logs findings of level error, and ignores warnings. At the first finding that prevents the start
// it returns a UsageError.
func (c checker) checkQueuesAtStart(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startupTimeout)
	defer cancel()
	for _, found := range c.evaluateQueues(c.describeQueues(ctx)) {
		switch {
		case preflight.PreventsStart(found):
			return cli.UsageError{Err: fmt.Errorf("%s: %s: %s", found.Subject, found.Message, found.Solution)}
		case found.Level == finding.Error:
			c.log.Error().Str("subject", found.Subject).Str("name", found.Name).Str("detail", found.Message).Str("remedy", found.Solution).Msg("queue is not set up as required")
		}
	}
	return nil
}
