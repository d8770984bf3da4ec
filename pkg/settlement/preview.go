package settlement

import (
	"context"
	"errors"
	"fmt"

	"github.com/billable-events/billable/pkg/billing"
)

// InvoicePrediction is the predicted effect of a message on its invoice.
type InvoicePrediction string

// The predictions.
const (
	WillClose      InvoicePrediction = "close"      // charges it, if there is anything to charge, and closes it
	WillLeaveOpen  InvoicePrediction = "leave_open" // charges it, if there is anything to charge, and leaves it open
	WillBeEmpty    InvoicePrediction = "empty"      // leaves it as it is: Chargebee closes no invoice without a line
	WillReject     InvoicePrediction = "reject"     // rejects it, for Reason and Detail
	WillFindClosed InvoicePrediction = "gone"       // finds it closed or deleted elsewhere, with nothing to charge
	WillResume     InvoicePrediction = "go_on"      // resumes with the plan in the ledger
	WillDoNothing  InvoicePrediction = "nothing"    // nothing: it is finished
)

// Preview holds the lines that a message would charge on an invoice.
type Preview struct {
	Prediction InvoicePrediction
	Reason     billing.Reason // of a rejection, predicted or recorded
	Detail     string
	Status     string // at Chargebee; empty if it was not read, or does not exist
	Manifest   billing.Manifest
	Record     billing.Record // zero if there is none
	Lines      []billing.Line
	Planned    bool // the lines are from the ledger, with the markers and keys that are sent
	Events     int
}

// Preview returns what a message for the invoice would charge now, and writes nothing. found is its record
// in the ledger, nil if there is none. If the ledger has a plan, the preview shows it. Otherwise it reads
// the invoice from Chargebee, and the unbilled events from the index.
func (s *Settler) Preview(ctx context.Context, invoiceID string, found *billing.Record) (preview Preview, err error) {
	ok := found != nil
	if ok {
		preview.Record = *found
	}
	record := preview.Record
	if ok && record.SchemaVersion > billing.SchemaVersion {
		return preview, fmt.Errorf("the schema version %d of %s is newer than this program: use the program that wrote it", record.SchemaVersion, invoiceID)
	}
	claimed := ok && !record.ClaimsReleased() && record.Epoch != ""
	if claimed {
		if preview.Manifest, err = s.Claims.Manifest(ctx, invoiceID, record.Epoch); err != nil {
			return preview, fmt.Errorf("read the manifest of %s: %w", invoiceID, err)
		}
		if record.State != billing.Claiming {
			return s.showPlan(ctx, preview)
		}
	}
	var read billing.Invoice
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
	err = s.newPlan(ctx, &preview, read)
	return preview, err
}

// showPlan adds the plan from the ledger.
func (s *Settler) showPlan(ctx context.Context, preview Preview) (Preview, error) {
	record := preview.Record
	plan, err := s.Claims.Plan(ctx, record.InvoiceID, record.Epoch)
	if err != nil && !errors.Is(err, billing.ErrNotFound) {
		return preview, fmt.Errorf("read the plan of %s: %w", record.InvoiceID, err)
	}
	preview.Lines, preview.Planned = plan.Lines, true
	for _, line := range plan.Lines {
		preview.Events += line.Events
	}
	preview.Prediction, preview.Reason, preview.Detail = WillResume, record.Reason, record.Detail
	if record.State == billing.Finished {
		preview.Prediction = WillDoNothing
	}
	return preview, nil
}

// newPlan makes the plan as claim does, and predicts how charging ends.
func (s *Settler) newPlan(ctx context.Context, preview *Preview, read billing.Invoice) error {
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
	if preview.Prediction = s.predict(lines, read); preview.Prediction == WillFindClosed && preview.Record.Epoch == "" {
		preview.Prediction = WillReject // nothing was claimed: events are not even looked for
	}
	if preview.Prediction == WillReject {
		preview.Reason, preview.Detail = billing.InvoiceNotPending, fmt.Sprintf("the invoice is %s and not pending", statusOrMissing(read))
	}
	return nil
}

// predict returns how the settlement of an invoice with these lines ends.
func (s *Settler) predict(lines []billing.Line, read billing.Invoice) InvoicePrediction {
	charges := false
	for _, line := range lines {
		charges = charges || line.IsCharge()
	}
	switch {
	case read.Status != billing.StatusPending && charges:
		return WillReject
	case read.Status != billing.StatusPending:
		return WillFindClosed
	case len(read.Lines) == 0 && !charges:
		return WillBeEmpty
	case s.Settings.leavesOpen(lines):
		return WillLeaveOpen
	default:
		return WillClose
	}
}

// addEvents adds the events that are claimed already, and those that the index shows.
func (s *Settler) addEvents(ctx context.Context, preview *Preview, sums *billing.Aggregator) error {
	seen := map[billing.EventKey]bool{} // the index may show an event twice, or one that is claimed already
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
