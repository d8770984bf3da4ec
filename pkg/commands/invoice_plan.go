package commands

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/results"
	"github.com/billable-events/billable/pkg/settlement"
)

func (a *app) invoicePlan() *cobra.Command {
	return a.withOutput(&cobra.Command{
		Use:     "plan ID",
		Short:   "Show what would be charged on an invoice",
		Example: "  consumer invoice plan draft_inv_1",
		Args:    cobra.ExactArgs(1),
		RunE: a.withSiteDeps(func(ctx context.Context, deps Deps, args []string) error {
			var preview settlement.Preview
			err := deps.withSettler(ctx, args[0], func(settler *settlement.Settler, invoiceID string, record *billing.Record) (err error) {
				preview, err = settler.Preview(ctx, invoiceID, record)
				return err
			})
			if err != nil {
				return err
			}
			plan := results.NewPlan(preview)
			a.writeResult(plan, func() { a.writePlan(plan) })
			return nil
		}),
	})
}

func (a *app) writePlan(plan results.Plan) {
	a.printLinef("%s\n", plan.Summary())
	a.writeFacts([][]string{
		{"reason", cli.OrNone(plan.Reason)},
		{"detail", cli.OrNone(plan.Detail)},
		{"Chargebee status", cli.OrNone(plan.Status)},
		{"ledger state", cli.OrNone(plan.State)},
		{"customer", plan.CustomerID},
		{"subscriptions", strings.Join(plan.Subscriptions, ", ")},
		{"events", fmt.Sprintf("%d, before %s", plan.Events, plan.Date.Format(time.RFC3339))},
		{"total", billing.FormatAmount(plan.Total, plan.CurrencyCode)},
		{"carried forward", billing.FormatAmount(plan.CarriedForward, plan.CurrencyCode)},
	})
	a.writeLines(plan.Lines, plan.CurrencyCode)
}
