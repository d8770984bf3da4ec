package settlement

import (
	"context"
	"errors"
	"fmt"

	"github.com/billable-events/billable/pkg/billing"
)

// Would is what would become of an invoice.
type Would string

// What would become of it.
const (
	WouldClose   Would = "close"      // charged, if there is anything to charge, and closed
	WouldLeave   Would = "leave_open" // charged, if there is anything to charge, and not closed, by the settings
	WouldBeEmpty Would = "empty"      // not closed: Chargebee closes no invoice without a line
	WouldReject  Would = "reject"     // Reason and Detail say why
	WouldBeGone  Would = "gone"       // closed or deleted by somebody else, and there is nothing to charge
	WouldGoOn    Would = "go_on"      // the ledger has its plan already, and a message goes on with it
	WouldNothing Would = "nothing"    // it is done
)

// Preview is what settlement would charge on an invoice.
type Preview struct {
	Would    Would
	Reason   billing.Reason // of a rejection, also of one that was
	Detail   string
	Status   string // at Chargebee; empty when it was not asked, or does not know the invoice
	Manifest billing.Manifest
	Head     billing.Head // without a state when the ledger does not know the invoice
	Lines    []billing.Line
	Planned  bool // the lines are the ledger's: markers and keys are those that are used
	Events   int
}

// Preview says what would be charged on an invoice if its message came now, and writes
// nothing. An invoice that has its plan already is shown with that. Events are those that
// the index shows.
//
// It reads Chargebee's invoice where a message would say what it is about, so it may
// differ for one that somebody changed after its message was sent.
func (s *Settler) Preview(ctx context.Context, invoiceID string) (Preview, error) {
	head, ok, err := s.Ledger.Head(ctx, invoiceID)
	if err != nil {
		return Preview{}, fmt.Errorf("read the head of %s: %w", invoiceID, err)
	}
	preview := Preview{Head: head}
	if ok && head.Version > billing.HeadVersion {
		return preview, fmt.Errorf("the ledger's version %d of %s is newer than this program: use the program that wrote it", head.Version, invoiceID)
	}
	begun := ok && !head.GivenBack() && head.Epoch != ""
	if begun {
		if preview.Manifest, err = s.Claims.Manifest(ctx, invoiceID, head.Epoch); err != nil {
			return preview, fmt.Errorf("read the manifest of %s: %w", invoiceID, err)
		}
		if head.State != billing.Claiming {
			return s.showPlan(ctx, preview)
		}
	}
	var read billing.Invoice
	err = untilAnswered(func() (err error) {
		read, err = s.readInvoice(ctx, invoiceID)
		return err
	})
	switch {
	case notThere(err) && head.GivenBack():
		return preview, fmt.Errorf("%w at Chargebee: %s; what was claimed for it was given back", ErrUnknown, invoiceID)
	case notThere(err) && !begun:
		return preview, fmt.Errorf("%w at Chargebee: %s", ErrUnknown, invoiceID)
	case err != nil && !notThere(err):
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
	head := preview.Head
	plan, err := s.Claims.Plan(ctx, head.InvoiceID, head.Epoch)
	if err != nil && !errors.Is(err, billing.ErrNotFound) {
		return preview, fmt.Errorf("read the plan of %s: %w", head.InvoiceID, err)
	}
	preview.Lines, preview.Planned = plan.Lines, true
	for _, line := range plan.Lines {
		preview.Events += line.Events
	}
	preview.Would, preview.Reason, preview.Detail = WouldGoOn, head.Reason, head.Detail
	if head.State == billing.Finished {
		preview.Would = WouldNothing
	}
	return preview, nil
}

// newPlan draws the plan as claim does, and says how charging would end.
func (s *Settler) newPlan(ctx context.Context, preview *Preview, read billing.Invoice) error {
	fold := billing.NewFold(preview.Manifest)
	if err := s.foldAll(ctx, preview, fold); err != nil {
		return err
	}
	lines, err := fold.Plan(s.Settings.MaxAmount, s.Settings.Catalog)
	if rejection, ok := errors.AsType[*billing.Rejection](err); ok {
		preview.Would, preview.Reason, preview.Detail = WouldReject, rejection.Reason, rejection.Detail
		return nil
	}
	if err != nil {
		return err
	}
	preview.Lines = lines
	if preview.Would = s.would(lines, read); preview.Would == WouldBeGone && preview.Head.Epoch == "" {
		preview.Would = WouldReject // nothing was claimed: whether there was anything to charge is not asked
	}
	if preview.Would == WouldReject {
		preview.Reason, preview.Detail = billing.InvoiceNotPending, fmt.Sprintf("the invoice is %s and not pending", orMissing(read.Status))
	}
	return nil
}

// would says how the settlement of an invoice with these lines ends.
func (s *Settler) would(lines []billing.Line, read billing.Invoice) Would {
	charges := false
	for _, line := range lines {
		charges = charges || line.IsCharge()
	}
	switch {
	case read.Status != billing.StatusPending && charges:
		return WouldReject
	case read.Status != billing.StatusPending:
		return WouldBeGone
	case len(read.Lines) == 0 && !charges:
		return WouldBeEmpty
	case s.Settings.leavesOpen(lines):
		return WouldLeave
	default:
		return WouldClose
	}
}

// foldAll folds what is claimed already, and what the index shows.
func (s *Settler) foldAll(ctx context.Context, preview *Preview, fold *billing.Fold) error {
	seen := map[billing.EventKey]bool{} // the index may show an event twice, or one that is claimed already
	take := func(event billing.Event) {
		if !seen[event.EventKey] {
			seen[event.EventKey] = true
			fold.Add(event)
		}
	}
	if preview.Head.State == billing.Claiming {
		for number := range preview.Head.Pages {
			page, err := s.readPage(ctx, preview.Head, number)
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
