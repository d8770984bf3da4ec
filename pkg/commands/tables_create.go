package commands

import (
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/dynamostore"
)

var errTablesDiffer = errors.New("a table differs from the required layout and was not changed")

func (a *app) tablesCreate() *cobra.Command {
	return &cobra.Command{
		Use:     "create",
		Short:   "Create missing tables and enable the ledger's TTL",
		Example: "  consumer tables create",
		Args:    cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			deps, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			states, err := deps.tables().Create(cmd.Context())
			if err != nil {
				return err
			}
			return a.writeTables(states)
		},
	}
}

func (d Deps) tables() *dynamostore.Tables {
	return &dynamostore.Tables{
		Client:      dynamodb.NewFromConfig(d.AWS),
		EventsTable: d.Settings.Events.Table,
		LedgerTable: d.Settings.Ledger.Table,
	}
}

func (a *app) writeTables(states []dynamostore.TableState) error {
	var rows [][]string
	var different error
	for _, state := range states {
		found := "as required"
		switch {
		case state.Created:
			found = "created"
		case len(state.Differences) > 0:
			texts := make([]string, len(state.Differences))
			for i, difference := range state.Differences {
				texts[i] = difference.Text
			}
			found = "different: " + strings.Join(texts, "; ")
			different = errTablesDiffer
		}
		rows = append(rows, []string{state.Table, found})
	}
	err := a.writeTable([]cli.Column{{Title: "table"}, {Title: "state"}}, rows)
	return errors.Join(err, different)
}
