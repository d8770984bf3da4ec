package commands

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/preflight"
)

var errCheck = errors.New("check failed: see the findings")

// checkResult is the result of check.
type checkResult struct {
	Findings []preflight.Finding `json:"findings"` // the most severe first
}

func (a *app) check() *cobra.Command {
	return a.withOutput(&cobra.Command{
		Use:     "check",
		Short:   "Check queues, tables, permissions, Chargebee and rate limit",
		Example: "  consumer check --config consumer.yaml",
		Args:    cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			deps, err := a.connect(cmd.Context(), config.QueueURL, config.DeadLetterURL, config.ChargebeeSite, config.ChargebeeKey)
			if err != nil {
				return err
			}
			result := newChecker(deps).run(cmd.Context())
			if err := a.writeResult(result, func() error { return a.writeCheck(result) }); err != nil {
				return err
			}
			if preflight.Failed(result.Findings) {
				return errCheck
			}
			return nil
		},
	})
}

func (a *app) writeCheck(result checkResult) error {
	var rows [][]string
	for _, finding := range result.Findings {
		rows = append(rows, []string{string(finding.Level), finding.Subject, finding.Name, finding.Message, finding.Solution})
	}
	return a.writeTable([]cli.Column{{Title: "level"}, {Title: "subject"}, {Title: "name"}, {Title: "finding"}, {Title: "solution", Below: true}}, rows)
}
