package consumer

import (
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/dynamostore"
)

var errTablesDiffer = errors.New("a table differs from what is needed; it was not changed")

func (a *app) tablesCreate() *cobra.Command {
	return &cobra.Command{
		Use:   "create",
		Short: "Create the tables with their index and time to live, as far as they do not exist, and wait for them",
		Args:  cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, aws, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			tables := &dynamostore.Tables{
				Client:      dynamodb.NewFromConfig(aws),
				EventsTable: settings.Events.Table,
				LedgerTable: settings.Ledger.Table,
			}
			states, err := tables.Create(cmd.Context())
			if err != nil {
				return err
			}
			return a.showTables(states)
		},
	}
}

func (a *app) showTables(states []dynamostore.TableState) error {
	var rows [][]string
	var different error
	for _, state := range states {
		found := "right"
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
	err := cli.WriteTable(a.process.Stdout, []cli.Column{{Title: "table"}, {Title: "state"}}, rows)
	return errors.Join(err, different)
}
