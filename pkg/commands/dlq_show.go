package commands

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/inspect"
	"github.com/billable-events/billable/pkg/nullable"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/results"
	"github.com/billable-events/billable/pkg/settlement"
)

func (a *app) dlqShow() *cobra.Command {
	return a.withOutput(&cobra.Command{
		Use:     "show ID",
		Short:   "Show one dead letter and predict its replay",
		Long:    "Show one dead letter, by message or event id, with its invoice in the ledger and at Chargebee, and what a replay would do.",
		Example: "  consumer dlq show ev_1",
		Args:    cobra.ExactArgs(1),
		RunE: a.withDeps(func(ctx context.Context, deps Deps, args []string) error {
			shown, err := deps.DeadLetter(ctx, args[0])
			if err != nil {
				return err
			}
			if shown.SiteErr != nil {
				_, _ = fmt.Fprintf(a.process.Stderr, "could not read the invoice from Chargebee: %s\n", shown.SiteErr)
			}
			a.writeResult(shown, func() { a.writeDeadLetter(shown) })
			return nil
		}, config.DeadLetterURL),
	})
}

// DeadLetter returns the dead letter with a message or event id, and its invoice.
func (d Deps) DeadLetter(ctx context.Context, id string) (shown results.DeadLetter, err error) {
	if shown.Shown, err = deadletter.Show(ctx, d.deadLetterBrowser(), d.store(), id); err != nil {
		return shown, err
	}
	shown.Invoice, err = d.showInvoice(ctx, invoiceQuery{
		eventType: shown.EventType, record: shown.Record, plan: shown.Plan, invoiceToRead: shown.InvoiceToRead,
	})
	return shown, err
}

// invoiceQuery is the input of showInvoice.
type invoiceQuery struct {
	eventType     string          // of the message whose replay is predicted
	record        *billing.Record // nil: the invoice is not in the ledger
	plan          billing.Plan    // without lines if there is none
	invoiceToRead string          // id at Chargebee; empty: there is nothing to read
	withEvents    bool            // include the claimed events
}

// showInvoice returns the state of an invoice in the ledger and at Chargebee, and predicts a replay.
func (d Deps) showInvoice(ctx context.Context, query invoiceQuery) (shown results.Invoice, err error) {
	if query.record != nil {
		ledger, err := inspect.Describe(ctx, d.store(), *query.record, query.plan, query.withEvents)
		if err != nil {
			return shown, err
		}
		shown.Ledger = &ledger
	}
	input := settlement.ReplayInput{
		EventType: query.eventType,
		Record:    query.record,
		Lines:     len(query.plan.Lines),
		Close:     d.Settings.Invoice.Close,
		Now:       time.Now(),
	}
	if query.invoiceToRead != "" {
		// This prediction has no input from Chargebee: it decides only whether a preview is needed.
		if settlement.PredictReplay(input).NeedsPreview() {
			input.Preview, shown.Chargebee, shown.SiteErr = d.previewInvoice(ctx, query.invoiceToRead, query.record)
		} else {
			shown.Chargebee, shown.SiteErr = d.readChargebeeInvoice(ctx, query.invoiceToRead)
		}
		if ctx.Err() != nil {
			return shown, context.Cause(ctx)
		}
	}
	if input.Preview != nil {
		shown.Preview = new(results.NewPlan(*input.Preview))
	}
	input.Pending = shown.Chargebee.IsPending()
	shown.Replay = settlement.PredictReplay(input)
	return shown, nil
}

// siteReadTimeout bounds the waits for permits and calls together.
const siteReadTimeout = 15 * time.Second

// readSite calls fn with the Chargebee site, within siteReadTimeout. It returns an error if the address or
// the API key of the site is not set.
func (d Deps) readSite(ctx context.Context, fn func(ctx context.Context, site limitedSite) error) error {
	settings := d.Settings.Chargebee
	if settings.URL() == "" || settings.APIKey.Reveal() == "" {
		return errors.New("chargebee.site or chargebee.api_key is not set")
	}
	ctx, cancel := context.WithTimeout(ctx, siteReadTimeout)
	defer cancel()
	return d.withSite(ctx, func(site limitedSite) error { return fn(ctx, site) })
}

// previewInvoice returns what a message would charge on an invoice, and the invoice at Chargebee. The preview is nil if
// Chargebee has no such invoice.
func (d Deps) previewInvoice(ctx context.Context, invoiceID string, record *billing.Record) (*settlement.Preview, *results.ChargebeeInvoice, error) {
	var preview settlement.Preview
	err := d.readSite(ctx, func(ctx context.Context, site limitedSite) (err error) {
		preview, err = d.settler(site).Preview(ctx, invoiceID, record)
		return err
	})
	switch {
	case errors.Is(err, settlement.ErrNoInvoice), err == nil && preview.Status == "":
		return nil, &results.ChargebeeInvoice{InvoiceID: invoiceID}, nil
	case err != nil:
		return nil, nil, err
	default:
		return &preview, &results.ChargebeeInvoice{InvoiceID: invoiceID, Found: true, Status: &preview.Status, Date: nullable.Unix(preview.Manifest.Date)}, nil
	}
}

// readChargebeeInvoice reads an invoice with the first page of its lines, in one call. Found is false if the invoice
// does not exist or was deleted.
func (d Deps) readChargebeeInvoice(ctx context.Context, invoiceID string) (*results.ChargebeeInvoice, error) {
	var invoice billing.Invoice
	err := d.readSite(ctx, func(ctx context.Context, site limitedSite) error {
		return ratelimit.Do(ctx, site, func(permit *ratelimit.Permit) (err error) {
			invoice, err = site.Invoice(ctx, permit, billing.LinePage{InvoiceID: invoiceID})
			return err
		})
	})
	failure, failed := errors.AsType[*billing.Failure](err)
	switch {
	case failed && failure.IsNotFound(), err == nil && invoice.Deleted:
		return &results.ChargebeeInvoice{InvoiceID: invoiceID}, nil
	case err != nil:
		return nil, err
	default:
		return &results.ChargebeeInvoice{InvoiceID: invoice.ID, Found: true, Status: &invoice.Status, Date: new(time.Unix(invoice.Date, 0).UTC()), Lines: invoice.Lines}, nil
	}
}

func (a *app) writeDeadLetter(shown results.DeadLetter) {
	facts := [][]string{
		{"message", shown.MessageID},
		{"event", cli.OrNone(shown.EventID)},
		{"invoice", cli.OrNone(shown.InvoiceID)},
		{"customer", cli.OrNone(shown.CustomerID)},
		{"reason", cli.OrNone(shown.Reason)},
		{"detail", cli.OrNone(shown.Detail)},
		{"failed at", cli.TimeOrNone(shown.FailedAt)},
		{"received at", cli.TimeOrNone(shown.ReceivedAt)},
		{"receives", strconv.Itoa(shown.ReceiveCount)},
		{"replays", strconv.Itoa(shown.ReplayCount)},
		{"group", cli.OrNone(shown.GroupID)},
		{"at risk", chargeAtRisk(shown.Message)},
		{"at Chargebee", shown.Chargebee.String()},
		{"a replay", string(shown.Replay.Prediction) + ": " + shown.Replay.Detail},
		{"can be billed", canBeBilled(shown.Replay)},
	}
	for _, name := range slices.Sorted(maps.Keys(shown.Attributes)) {
		attribute := shown.Attributes[name]
		facts = append(facts, []string{"attribute " + name + " (" + attribute.Type + ")", attribute.Value})
	}
	a.writeTable(factColumns, facts)
	if shown.Ledger != nil {
		a.printLinef("")
		a.writeInvoice(*shown.Ledger)
	}
	_, err := fmt.Fprintf(a.process.Stdout, "\n%s\n", cli.IndentJSON(shown.Body))
	a.recordWrite(err)
}

// canBeBilled describes whether the invoice can be billed, by the predicted replay or a later one.
func canBeBilled(replay settlement.Replay) string {
	switch {
	case replay.Billable == nil:
		return "unknown"
	case *replay.Billable && replay.Prediction == settlement.RejectedAgain:
		return "not yet: correct the cause first"
	case *replay.Billable:
		return "yes"
	default:
		return "no"
	}
}
