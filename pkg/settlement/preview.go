package settlement

import (
	"context"
	"errors"
	"fmt"

	"github.com/billable-events/billable/pkg/billing"
)

// Would is what would become of an invoice.
type InvoicePrediction string

// What would become of it.
const (
	WillClose      InvoicePrediction = "close"      // charged, if there is anything to charge, and closed
	WillLeaveOpen  InvoicePrediction = "leave_open" // charged, if there is anything to charge, and not closed, by the settings
	WillBeEmpty    InvoicePrediction = "empty"      // not closed: Chargebee closes no invoice without a line
	WillReject     InvoicePrediction = "reject"     // Reason and Detail say why
	WillFindClosed InvoicePrediction = "gone"       // closed or deleted by somebody else, and there is nothing to charge
	WillResume     InvoicePrediction = "go_on"      // the ledger has its plan already, and a message goes on with it
	WillDoNothing  InvoicePrediction = "nothing"    // it is done
)

// Preview is what settlement would charge on an invoice.
type Preview struct {
	Prediction InvoicePrediction
	Reason     billing.Reason // of a rejection, also of one that was
	Detail     string
	Status     string // at Chargebee; empty when it was not asked, or does not know the invoice
	Manifest   billing.Manifest
	Record     billing.Record // without a state when the ledger does not know the invoice
	Lines      []billing.Line
	Planned    bool // the lines are the ledger's: markers and keys are those that are used
	Events     int
}

// Preview says what would be charged on an invoice if its message came now, and writes
// nothing. An invoice that has its plan already is shown with that. Events are those that
// the index shows.
//
// It reads Chargebee's invoice where a message would say what it is about, so it may
// differ for one that somebody changed after its message was sent.
func (s *Settler) Preview(ctx context.Context, invoiceID string) (Preview, error) {
	record, ok, err := s.Ledger.Record(ctx, invoiceID)
	if err != nil {
		return Preview{}, fmt.Errorf("read the head of %s: %w", invoiceID, err)
	}
	preview := Preview{Record: record}
	if ok && record.SchemaVersion > billing.SchemaVersion {
		return preview, fmt.Errorf("the ledger's version %d of %s is newer than this program: use the program that wrote it", record.SchemaVersion, invoiceID)
	}
	begun := ok && !record.ClaimsReleased() && record.Epoch != ""
	if begun {
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
		return preview, fmt.Errorf("%w at Chargebee: %s; what was claimed for it was given back", ErrUnknown, invoiceID)
	case isNotFound(err) && !begun:
		return preview, fmt.Errorf("%w at Chargebee: %s", ErrUnknown, invoiceID)
	case err != nil && !isNotFound(err):
		return preview, err
	}
	preview.Status = read.Status
	if !begun {
		preview.Manifest = billing.NewManifest(read, s.Now().Unix())
	}
	err = s.newPlan(ctx, &preview, read)
	return preview, err
}

// showPlan shows the plan that the ledger has.
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

// newPlan draws the plan as claim does, and says how charging would end.
func (s *Settler) newPlan(ctx context.Context, preview *Preview, read billing.Invoice) error {
	fold := billing.NewAggregator(preview.Manifest)
	if err := s.foldAll(ctx, preview, fold); err != nil {
		return err
	}
	lines, err := fold.Plan(s.Settings.MaxAmount, s.Settings.Catalog)
	if rejection, ok := errors.AsType[*billing.Rejection](err); ok {
		preview.Prediction, preview.Reason, preview.Detail = WillReject, rejection.Reason, rejection.Detail
		return nil
	}
	if err != nil {
		return err
	}
	preview.Lines = lines
	if preview.Prediction = s.predict(lines, read); preview.Prediction == WillFindClosed && preview.Record.Epoch == "" {
		preview.Prediction = WillReject // nothing was claimed: whether there was anything to charge is not asked
	}
	if preview.Prediction == WillReject {
		preview.Reason, preview.Detail = billing.InvoiceNotPending, fmt.Sprintf("the invoice is %s and not pending", orMissing(read.Status))
	}
	return nil
}

// would says how the settlement of an invoice with these lines ends.
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

// foldAll folds what is claimed already, and what the index shows.
func (s *Settler) foldAll(ctx context.Context, preview *Preview, fold *billing.Aggregator) error {
	seen := map[billing.EventKey]bool{} // the index may show an event twice, or one that is claimed already
	take := func(event billing.Event) {
		if !seen[event.EventKey] {
			seen[event.EventKey] = true
			fold.Add(event)
		}
	}
	if preview.Record.State == billing.Claiming {
		for number := range preview.Record.Pages {
			page, err := s.readPage(ctx, preview.Record, number)
			if err != nil {
				return err
			}
			for _, event := range page.Events {
				take(event)
			}
		}
	}
	for event, err := range s.unbilled(ctx, preview.Manifest) {
		if err != nil {
			return err
		}
		take(event)
	}
	preview.Events = len(seen)
	return nil
}
