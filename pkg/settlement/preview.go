package settlement

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/billable-events/billable/pkg/billing"
)

// InvoicePrediction is the predicted effect of a message on its invoice.
type InvoicePrediction string

// The predictions, with what becomes of the invoice.
const (
	WillClose      InvoicePrediction = "close"      // its charges, if any, are added, and it is closed
	WillLeaveOpen  InvoicePrediction = "leave_open" // its charges, if any, are added, and it is left open
	WillBeEmpty    InvoicePrediction = "empty"      // it stays without lines: Chargebee does not close it
	WillReject     InvoicePrediction = "reject"     // it is rejected for Preview.Reason
	WillFindClosed InvoicePrediction = "gone"       // it was closed or deleted elsewhere, and nothing is to be charged
	WillResume     InvoicePrediction = "go_on"      // the message resumes the invoice, mostly with the plan in the ledger
	WillDoNothing  InvoicePrediction = "nothing"    // it is finished
)

// Preview holds the lines of an invoice's plan: the one in the ledger, or else the one that a message would make.
type Preview struct {
	Prediction InvoicePrediction
	Reason     billing.Reason // of a rejection, predicted or recorded
	Detail     string
	Status     string // of the invoice at Chargebee; empty if it was not read, or does not exist
	Manifest   billing.Manifest
	Record     billing.Record // zero if there is none
	Lines      []billing.Line
	Planned    bool // Lines are of the plan in the ledger; otherwise a session makes other markers and keys
	Events     int  // number of events of the lines
}

// Preview returns what a message for the invoice would charge now, and writes nothing. found is the record
// of the invoice in the ledger; nil if there is none. The lines are those of the plan in the ledger. If it has
// none, a plan is made from the invoice at Chargebee, the claimed events, and the unbilled events in the index.
func (s *Settler) Preview(ctx context.Context, invoiceID string, found *billing.Record) (preview Preview, err error) {
	var record billing.Record
	if found != nil {
		record = *found
	}
	if record.SchemaVersion > billing.SchemaVersion {
		return preview, errNewerSchema(record)
	}
	preview.Record = record
	claimed := record.Epoch != "" && !record.ClaimsReleased()
	if claimed {
		if preview.Manifest, err = s.Claims.Manifest(ctx, invoiceID, record.Epoch); err != nil {
			return preview, fmt.Errorf("read the manifest of %s: %w", invoiceID, err)
		}
		if record.State != billing.Claiming {
			err = s.addStoredPlan(ctx, &preview)
			return preview, err
		}
	}
	var read billing.Invoice // zero if Chargebee has none
	err = untilAnswered(func() (err error) {
		read, err = s.readInvoice(ctx, invoiceID)
		return err
	})
	switch {
	case isNotFound(err) && record.ClaimsReleased():
		return preview, fmt.Errorf("%w at Chargebee: %s; its claims were released", ErrNoInvoice, invoiceID)
	case isNotFound(err) && !claimed:
		return preview, fmt.Errorf("%w at Chargebee: %s", ErrNoInvoice, invoiceID)
	case err != nil && !isNotFound(err):
		return preview, err
	}
	preview.Status = read.Status
	if !claimed {
		preview.Manifest = billing.NewManifest(read, s.Now().Unix())
	}
	err = s.addNewPlan(ctx, &preview, read, claimed)
	return preview, err
}

// addStoredPlan adds the plan from the ledger to a preview.
func (s *Settler) addStoredPlan(ctx context.Context, preview *Preview) error {
	record := preview.Record
	plan, err := s.Claims.Plan(ctx, record.InvoiceID, record.Epoch)
	if err != nil && !errors.Is(err, billing.ErrNotFound) {
		return fmt.Errorf("read the plan of %s: %w", record.InvoiceID, err)
	}
	preview.Lines, preview.Planned = plan.Lines, true
	for _, line := range plan.Lines {
		preview.Events += line.Events
	}
	preview.Prediction, preview.Reason, preview.Detail = WillResume, record.Reason, record.Detail
	if record.State == billing.Finished {
		preview.Prediction = WillDoNothing
	}
	return nil
}

// addNewPlan adds a new plan to a preview, as claim would make it, and predicts how the settlement ends.
func (s *Settler) addNewPlan(ctx context.Context, preview *Preview, read billing.Invoice, claimed bool) error {
	sums := billing.NewAggregator(preview.Manifest)
	if err := s.addEvents(ctx, preview, sums); err != nil {
		return err
	}
	lines, err := sums.Plan(s.Settings.MaxAmount, s.Settings.Catalog)
	if rejection, ok := errors.AsType[*billing.Rejection](err); ok {
		preview.Prediction, preview.Reason, preview.Detail = WillReject, rejection.Reason, rejection.Detail
		return nil
	}
	if err != nil {
		return err
	}
	preview.Lines = lines
	preview.Prediction = s.predict(lines, read, claimed)
	if preview.Prediction == WillReject {
		preview.Reason, preview.Detail = billing.InvoiceNotPending, fmt.Sprintf("the invoice is %s and not pending", statusOrMissing(read))
	}
	return nil
}

// predict returns how the settlement of an invoice with these lines ends. claimed reports that the record has an
// epoch whose claims are not released: without one, a session rejects an invoice that is not pending.
func (s *Settler) predict(lines []billing.Line, read billing.Invoice, claimed bool) InvoicePrediction {
	hasCharges := slices.ContainsFunc(lines, billing.Line.IsCharge)
	switch {
	case read.Status != billing.StatusPending && (hasCharges || !claimed):
		return WillReject
	case read.Status != billing.StatusPending:
		return WillFindClosed
	case len(read.Lines) == 0 && !hasCharges:
		return WillBeEmpty
	case s.Settings.leavesOpen(lines):
		return WillLeaveOpen
	default:
		return WillClose
	}
}

// addEvents adds the claimed events of a record that is claiming, and the events that the index shows.
func (s *Settler) addEvents(ctx context.Context, preview *Preview, sums *billing.Aggregator) error {
	seen := map[billing.EventKey]bool{} // the index may show an event twice, or a claimed one
	add := func(event billing.Event) {
		if !seen[event.EventKey] {
			seen[event.EventKey] = true
			sums.Add(event)
		}
	}
	if preview.Record.State == billing.Claiming {
		for number := range preview.Record.Pages {
			page, err := s.readPage(ctx, preview.Record, number)
			if err != nil {
				return err
			}
			for _, event := range page.Events {
				add(event)
			}
		}
	}
	for event, err := range s.unbilled(ctx, preview.Manifest, func(billing.Rewritten) {}) {
		if err != nil {
			return err
		}
		add(event)
	}
	preview.Events = len(seen)
	return nil
}
