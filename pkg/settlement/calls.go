package settlement

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/pace"
	"github.com/billable-events/billable/pkg/retry"
)

const (
	permitWait       = 5 * time.Minute  // the longest wait for a permit under the lease
	outageWait       = 10 * time.Second // between two looks at a Chargebee that answers nobody
	unauthorizedWait = time.Minute      // between two looks at a site that refuses us
	lockWait         = 3 * time.Second  // the longest wait for another call on the same invoice

	linesPerPage = 300 // the most that line_items_limit allows
)

// asFailure returns the failed call in err, if err is one.
func asFailure(err error) (*billing.Failure, bool) {
	return errors.AsType[*billing.Failure](err)
}

// notThere tells whether an invoice could not be read because it does not exist.
func notThere(err error) bool {
	failure, failed := asFailure(err)
	return failed && failure.Kind == billing.Missing
}

// permit waits for the permit of one call.
func (s *Settler) permit(ctx context.Context) (*pace.Permit, error) {
	if permit := s.Pacer.TryAcquire(); permit != nil {
		return permit, nil
	}
	waiting, cancel := context.WithTimeout(ctx, permitWait)
	defer cancel()
	permit, err := s.Pacer.Acquire(waiting)
	switch {
	case err == nil:
		return permit, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case waiting.Err() != nil:
		return nil, wait(retry.Jitter(time.Minute, 0.5), "no call to Chargebee was free for "+permitWait.String())
	default:
		return nil, fmt.Errorf("wait for a permit: %w", err)
	}
}

// call makes one call to Chargebee under a permit of its own.
func (s *Settler) call(ctx context.Context, send func(context.Context, *pace.Permit) error) error {
	permit, err := s.permit(ctx)
	if err != nil {
		return err
	}
	return s.callUnder(ctx, permit, send)
}

// callUnder makes one call under a permit at hand, and under another one if that turns
// out to be too old when the call could start.
func (s *Settler) callUnder(ctx context.Context, permit *pace.Permit, send func(context.Context, *pace.Permit) error) error {
	err := s.spend(ctx, permit, send)
	if errors.Is(err, pace.ErrSpent) {
		if permit, err = s.permit(ctx); err == nil {
			err = s.spend(ctx, permit, send)
		}
	}
	if errors.Is(err, pace.ErrSpent) { // this process is slow, and no permit's fault
		return wait(retry.Jitter(lockWait, 0.75), err.Error())
	}
	return err
}

// spend makes one call, and tells the pacer if the site is over its limit.
func (s *Settler) spend(ctx context.Context, permit *pace.Permit, send func(context.Context, *pace.Permit) error) error {
	defer permit.Release()
	ctx, cancel := context.WithTimeout(ctx, s.Settings.CallTimeout)
	defer cancel()

	err := send(ctx, permit)
	if failure, failed := asFailure(err); failed && failure.OfSite() {
		s.Pacer.Pause(permit, failure.RetryAfter)
	}
	return err
}

// readInvoice reads the invoice with all its lines. An invoice that is not there
// is an error that notThere knows.
func (s *Settler) readInvoice(ctx context.Context, invoiceID string) (billing.Invoice, error) {
	var invoice billing.Invoice
	seen := map[string]bool{}
	for {
		var page billing.Invoice
		err := s.call(ctx, func(ctx context.Context, permit *pace.Permit) (err error) {
			page, err = s.Invoices.Invoice(ctx, permit, billing.LinePage{InvoiceID: invoiceID, Offset: len(invoice.Lines), Limit: linesPerPage})
			s.Breaker.Record(invoiceID, err)
			return err
		})
		if failure, ok := asFailure(err); ok {
			return invoice, s.failedRead(failure)
		}
		if err != nil {
			return invoice, err
		}
		lines := invoice.Lines
		invoice = page
		invoice.Lines = lines
		grown := false
		for _, line := range page.Lines {
			if !seen[line.ID] {
				seen[line.ID], grown = true, true
				invoice.Lines = append(invoice.Lines, line)
			}
		}
		// A site without paging of lines answers all of them every time.
		if len(page.Lines) < linesPerPage || !grown {
			return invoice, nil
		}
	}
}

// untilAnswered repeats what reads invoices for as long as the site's limit interrupts it;
// the pacer has it wait.
func untilAnswered(read func() error) error {
	for {
		if err := read(); !errors.Is(err, errAnew) {
			return err
		}
	}
}

// readDraft reads the draft. gone says that it does not exist or is no longer
// pending.
func (h *handling) readDraft(ctx context.Context) (draft billing.Invoice, gone bool, err error) {
	if err := h.lease.ensure(ctx, h.Settings.CallTimeout); err != nil {
		return draft, false, err
	}
	draft, err = h.readInvoice(ctx, h.manifest.InvoiceID)
	if notThere(err) {
		return draft, true, nil
	}
	return draft, err == nil && draft.Status != billing.StatusPending, err
}

// pendingDraft reads the draft, which has to be pending: one that is gone is judged,
// and errAnew returned.
func (h *handling) pendingDraft(ctx context.Context) (billing.Invoice, error) {
	draft, gone, err := h.readDraft(ctx)
	if err == nil && gone {
		err = h.gone(ctx)
	}
	return draft, err
}
