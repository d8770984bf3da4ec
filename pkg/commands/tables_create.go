package commands

import (
	"context"
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
		RunE: a.withDeps(func(ctx context.Context, deps Deps, _ []string) error {
			states, err := deps.tables().Create(ctx)
			if err != nil {
				return err
			}
			return a.writeTables(states)
		}),
	}
}

func (d Deps) tables() *dynamostore.Tables {
	return &dynamostore.Tables{
		Client:      dynamodb.NewFromConfig(d.AWS),
		EventsTable: d.Settings.Events.Table,
		LedgerTable: d.Settings.Ledger.Table,
	}
}

// writeTables writes the state of each table. It returns errTablesDiffer if a table differs.
func (a *app) writeTables(states []dynamostore.TableState) (err error) {
	var rows [][]string
	for _, state := range states {
		found := "as required"
		switch {
		case state.Created:
			found = "created"
		case len(state.Differences) > 0:
			var texts []string
			for _, difference := range state.Differences {
				texts = append(texts, difference.Text)
			}
			found = "different: " + strings.Join(texts, "; ")
			err = errTablesDiffer
		}
		rows = append(rows, []string{state.Table, found})
	}
	a.writeTable([]cli.Column{{Title: "table"}, {Title: "state"}}, rows)
	return err
}
