package consumer

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/diagnosis"
)

var errCheck = errors.New("something is wrong: see the findings")

// checked is the result of a check.
type checked struct {
	Findings []diagnosis.Finding `json:"findings"` // the worst first
}

func (a *app) check() *cobra.Command {
	return a.output(&cobra.Command{
		Use:   "check",
		Short: "Check queues, tables, permissions, Chargebee and rate limit",
		Args:  cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, aws, err := a.connect(cmd.Context(), config.QueueURL, config.DeadLetterURL, config.ChargebeeSite, config.ChargebeeKey)
			if err != nil {
				return err
			}
			result := newCheckup(settings, aws).run(cmd.Context())
			if err := a.showCheck(result); err != nil {
				return err
			}
			if diagnosis.Failed(result.Findings) {
				return errCheck
			}
			return nil
		},
	})
}

func (a *app) showCheck(result checked) error {
	if a.format == cli.JSON {
		return cli.WriteJSON(a.process.Stdout, result)
	}
	var rows [][]string
	for _, finding := range result.Findings {
		rows = append(rows, []string{string(finding.Level), finding.Subject, finding.Name, finding.Finding, finding.Remedy})
	}
	columns := []cli.Column{{Title: "level"}, {Title: "subject"}, {Title: "name"}, {Title: "finding"}, {Title: "what to do"}}
	return cli.WriteTable(a.process.Stdout, columns, rows)
}
