package consumer

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/commandline"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/diagnosis"
	"github.com/billable-events/billable/pkg/terminal"
)

var errCheck = errors.New("something is wrong: see the findings")

// checked is the result of a check.
type checked struct {
	Findings []diagnosis.Finding `json:"findings"` // the worst first
	Shares   []diagnosis.Share   `json:"shares"`
}

func (a *app) check() *cobra.Command {
	return a.output(&cobra.Command{
		Use:   "check",
		Short: "Look whether queues, tables, permissions, Chargebee and the budget are as they should be, and say what to do",
		Args:  commandline.Args(cobra.NoArgs),
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
	if a.format == terminal.JSON {
		return terminal.WriteJSON(a.process.Stdout, result)
	}
	var rows [][]string
	for _, finding := range result.Findings {
		rows = append(rows, []string{string(finding.Level), finding.Subject, finding.Name, finding.Finding, finding.Remedy})
	}
	columns := []terminal.Column{{Title: "level"}, {Title: "subject"}, {Title: "name"}, {Title: "finding"}, {Title: "what to do"}}
	if err := terminal.WriteTable(a.process.Stdout, columns, rows); err != nil || len(result.Shares) == 0 {
		return err
	}
	rows = nil
	for _, share := range result.Shares {
		rows = append(rows, []string{
			share.Process, share.State, strconv.FormatFloat(share.CallsPerMinute, 'f', 1, 64), strconv.FormatInt(share.Slots, 10),
		})
	}
	columns = []terminal.Column{{Title: "process"}, {Title: "state"}, {Title: "calls per minute", Right: true}, {Title: "slots", Right: true}}
	if _, err := fmt.Fprintln(a.process.Stdout); err != nil {
		return err
	}
	return terminal.WriteTable(a.process.Stdout, columns, rows)
}
