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
	"github.com/billable-events/billable/pkg/settlement"
)

// deadLetterDetails is the result of dlq show. Absent values are null.
type deadLetterDetails struct {
	deadletter.Shown
	invoiceDetails
}

// invoiceDetails are the contents of ledger and Chargebee about an invoice. Absent values are null.
type invoiceDetails struct {
	Ledger    *inspect.Invoice  `json:"ledger"`
	Chargebee *chargebeeInvoice `json:"chargebee"`
	Replay    settlement.Replay `json:"replay"`

	preview *settlement.Preview // nil if the replay needs none
	siteErr error               // why Chargebee could not be asked
}

// chargebeeInvoice is an invoice as Chargebee shows it.
type chargebeeInvoice struct {
	InvoiceID string     `json:"invoice_id"` // of the final invoice if the draft was closed, otherwise of the draft
	Found     bool       `json:"found"`
	Status    *string    `json:"status"`
	Date      *time.Time `json:"date"`

	lines []billing.InvoiceLine // of one page; nil after a preview
}

func (a *app) dlqShow() *cobra.Command {
	return a.withOutput(&cobra.Command{
		Use:     "show ID",
		Short:   "Show one dead letter and predict its replay",
		Long:    "Show one dead letter, by message or event id, with its invoice in the ledger and at Chargebee, and what a replay would do.",
		Example: "  consumer dlq show ev_1",
		Args:    cli.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			deps, err := a.connect(cmd.Context(), config.DeadLetterURL)
			if err != nil {
				return err
			}
			details, err := deps.deadLetterDetails(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if details.siteErr != nil {
				_, _ = fmt.Fprintf(a.process.Stderr, "could not read the invoice from Chargebee: %s\n", details.siteErr)
			}
			return a.writeResult(details, func() error { return a.writeDeadLetter(details) })
		},
	})
}

// deadLetterDetails collects what the queue, the ledger and Chargebee hold about a dead letter.
func (d Deps) deadLetterDetails(ctx context.Context, id string) (details deadLetterDetails, err error) {
	if details.Shown, err = deadletter.Show(ctx, d.deadLetters(), d.store(), id); err != nil {
		return details, err
	}
	shown := details.Shown
	details.invoiceDetails, err = d.invoiceDetails(ctx, shown.EventType, shown.Record, shown.Plan, shown.InvoiceToRead, false)
	return details, err
}

// invoiceDetails collects what the ledger and Chargebee hold about an invoice, and predicts what a message of
// the type would do. invoiceToRead may be empty; withEvents adds the claimed events to the ledger.
func (d Deps) invoiceDetails(ctx context.Context, eventType string, record *billing.Record, plan billing.Plan, invoiceToRead string, withEvents bool) (details invoiceDetails, err error) {
	if record != nil {
		invoice, err := inspect.Describe(ctx, d.store(), *record, plan, withEvents)
		if err != nil {
			return details, err
		}
		details.Ledger = &invoice
	}
	input := settlement.ReplayInput{
		EventType: eventType,
		Record:    record,
		Lines:     len(plan.Lines),
		Close:     d.Settings.Invoice.Close,
		Now:       time.Now(),
	}
	if invoiceToRead != "" {
		// Without the invoice, a prediction shows only whether a preview is needed.
		if settlement.PredictReplay(input).NeedsPreview() {
			details.preview, details.Chargebee, details.siteErr = previewInvoice(ctx, d, invoiceToRead, record)
		} else {
			details.Chargebee, details.siteErr = readChargebeeInvoice(ctx, d, invoiceToRead)
		}
		if ctx.Err() != nil {
			return details, context.Cause(ctx)
		}
	}
	input.Preview, input.Pending = details.preview, details.Chargebee.pending()
	details.Replay = settlement.PredictReplay(input)
	return details, nil
}

// readTimeout bounds the wait for permits and for Chargebee.
const readTimeout = 15 * time.Second

// readSite calls fn with the Chargebee site, within readTimeout. It returns an error if the address or
// the API key of the site is not set.
func readSite(ctx context.Context, deps Deps, fn func(ctx context.Context, site site) error) error {
	settings := deps.Settings.Chargebee
	if settings.URL() == "" || settings.APIKey.Reveal() == "" {
		return errors.New("chargebee.site or chargebee.api_key is not set")
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return deps.withSite(ctx, func(site site) error { return fn(ctx, site) })
}

// previewInvoice returns what would be charged on a draft, and the draft.
func previewInvoice(ctx context.Context, deps Deps, invoiceID string, record *billing.Record) (*settlement.Preview, *chargebeeInvoice, error) {
	var preview settlement.Preview
	err := readSite(ctx, deps, func(ctx context.Context, site site) (err error) {
		preview, err = deps.settler(site).Preview(ctx, invoiceID, record)
		return err
	})
	switch {
	case errors.Is(err, settlement.ErrNoInvoice), err == nil && preview.Status == "":
		return nil, &chargebeeInvoice{InvoiceID: invoiceID}, nil
	case err != nil:
		return nil, nil, err
	default:
		return &preview, &chargebeeInvoice{InvoiceID: invoiceID, Found: true, Status: &preview.Status, Date: nullable.Unix(preview.Manifest.Date)}, nil
	}
}

// readChargebeeInvoice reads the invoice in one call, with the first page of its lines only. Found is
// false if it does not exist or was deleted.
func readChargebeeInvoice(ctx context.Context, deps Deps, invoiceID string) (*chargebeeInvoice, error) {
	var invoice billing.Invoice
	err := readSite(ctx, deps, func(ctx context.Context, site site) error {
		return ratelimit.Do(ctx, site, func(permit *ratelimit.Permit) (err error) {
			invoice, err = site.Invoice(ctx, permit, billing.LinePage{InvoiceID: invoiceID})
			return err
		})
	})
	failure, failed := errors.AsType[*billing.Failure](err)
	switch {
	case failed && failure.IsNotFound(), err == nil && invoice.Deleted:
		return &chargebeeInvoice{InvoiceID: invoiceID}, nil
	case err != nil:
		return nil, err
	default:
		return &chargebeeInvoice{InvoiceID: invoice.ID, Found: true, Status: &invoice.Status, Date: new(time.Unix(invoice.Date, 0).UTC()), lines: invoice.Lines}, nil
	}
}

// pending reports whether the invoice is pending; nil if it was not read.
func (i *chargebeeInvoice) pending() *bool {
	if i == nil {
		return nil
	}
	return new(i.Found && *i.Status == billing.StatusPending)
}

func (a *app) writeDeadLetter(details deadLetterDetails) error {
	facts := [][]string{
		{"message", details.MessageID},
		{"event", cli.OrNone(details.EventID)},
		{"invoice", cli.OrNone(details.InvoiceID)},
		{"customer", cli.OrNone(details.CustomerID)},
		{"reason", cli.OrNone(details.Reason)},
		{"detail", cli.OrNone(details.Detail)},
		{"failed at", cli.TimeOrNone(details.FailedAt)},
		{"received at", cli.TimeOrNone(details.ReceivedAt)},
		{"receives", strconv.Itoa(details.ReceiveCount)},
		{"replays", strconv.Itoa(details.ReplayCount)},
		{"group", cli.OrNone(details.GroupID)},
		{"at risk", chargeAtRisk(details.Message)},
		{"at Chargebee", details.Chargebee.String()},
		{"a replay", string(details.Replay.Prediction) + ": " + details.Replay.Detail},
		{"can be billed", canBeBilled(details.Replay)},
	}
	for _, name := range slices.Sorted(maps.Keys(details.Attributes)) {
		attribute := details.Attributes[name]
		facts = append(facts, []string{"attribute " + name + " (" + attribute.Type + ")", attribute.Value})
	}
	if err := a.writeTable([]cli.Column{{Title: "what"}, {Title: "value"}}, facts); err != nil {
		return err
	}
	if details.Ledger != nil {
		if err := errors.Join(a.printLine(""), a.writeInvoice(*details.Ledger)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(a.process.Stdout, "\n%s\n", cli.IndentJSON(details.Body))
	return err
}

// String describes the invoice in one line.
func (i *chargebeeInvoice) String() string {
	switch {
	case i == nil:
		return "unknown"
	case !i.Found:
		return i.InvoiceID + " does not exist"
	default:
		return i.InvoiceID + " is " + *i.Status
	}
}

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
