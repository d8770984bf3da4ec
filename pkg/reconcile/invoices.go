package reconcile

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/finding"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/retry"
)

const (
	maxConcurrentChecks = 32 // enough to fill the batches in which messages are sent
	permitTimeout       = 2 * time.Minute
	sendTimeout         = 30 * time.Second
)

var listBackoff = retry.Backoff{First: time.Second, Max: 15 * time.Second, Attempts: 5}

// SkipReason is a reason for which a pending invoice gets no message.
type SkipReason string

// The reasons.
const (
	TooRecent         SkipReason = "young"         // its webhook may still arrive
	InProgress        SkipReason = "under_way"     // a session has its lease, or its message is delayed
	Rejected          SkipReason = "rejected"      // an operator must handle its dead letter
	LeftOpen          SkipReason = "left_open"     // finished and left open, as configured
	Empty             SkipReason = "empty"         // it has no line, and cannot be closed
	JustFinished      SkipReason = "just_finished" // finished within ListDelay: the list may be older
	ReportedAsFinding SkipReason = "in_findings"   // the finding closed_but_pending or left_open counts it
)

// SkipReasons lists all reasons.
var SkipReasons = []SkipReason{TooRecent, InProgress, Rejected, LeftOpen, Empty, JustFinished, ReportedAsFinding}

type decision struct {
	enqueue EnqueueReason // empty: nothing is sent
	skip    SkipReason    // if nothing is sent
	tally   *tally        // of the finding that reports the invoice; may be nil
}

// decide decides on an invoice that Chargebee listed as pending, by its record in the ledger, if it has one.
func (s *sweep) decide(invoice billing.Invoice, record billing.Record, recorded bool) decision {
	switch {
	case !recorded:
		// An invoice can be created after its date. Then it may be enqueued before its webhook arrives,
		// which is a harmless duplicate.
		if s.began.Sub(time.Unix(invoice.Date, 0)) < s.options.OlderThan {
			return decision{skip: TooRecent}
		}
		return decision{enqueue: NeverStarted}
	case record.State == billing.Finished:
		return s.decideFinished(record)
	case record.State == billing.Rejected && !record.Replanned():
		return decision{skip: Rejected}
	case s.isIdle(record):
		return decision{enqueue: Abandoned}
	default:
		return decision{skip: InProgress}
	}
}

func (s *sweep) decideFinished(record billing.Record) decision {
	switch record.Outcome {
	case billing.Empty:
		return decision{skip: Empty}
	case billing.LeftOpen:
		hadEvents := record.Pages > 0
		if closes := s.options.Close && (hadEvents || s.options.CloseWithoutEvents); !closes {
			return decision{skip: LeftOpen}
		}
		return decision{skip: ReportedAsFinding, tally: &s.leftOpen}
	default:
		if s.began.Sub(time.Unix(record.UpdatedAt, 0)) < s.options.ListDelay {
			return decision{skip: JustFinished}
		}
		return decision{skip: ReportedAsFinding, tally: &s.closed}
	}
}

// checkInvoices checks all pending invoices at Chargebee, until the list or a read of the ledger fails.
func (s *sweep) checkInvoices(ctx context.Context) error {
	err := s.CallSite(ctx, func(site Site) error {
		checks, checksCtx := errgroup.WithContext(ctx)
		checks.SetLimit(maxConcurrentChecks)
		var listErr error
		for invoice, err := range invoices(ctx, site, billing.InvoiceQuery{Pending: true}) {
			listErr = err
			if listErr != nil || checksCtx.Err() != nil { // the list or a check failed
				break
			}
			s.result.Pending++ // used by no check
			checks.Go(func() error { return s.checkInvoice(ctx, invoice) })
		}
		return errors.Join(listErr, checks.Wait())
	})
	s.addMissingWebhooks()
	s.addTally(s.closed, finding.Finding{
		Name: "closed_but_pending", Level: finding.Error,
		Message:  "invoices are pending at Chargebee, but closed in the ledger: it was written for another site, or edited",
		Solution: "compare with consumer invoice show ID; they will not be charged again",
	})
	s.addTally(s.leftOpen, finding.Finding{
		Name: "left_open", Level: finding.Warning,
		Message:  "invoices were charged and left open while invoice.close or invoice.close_without_events was off",
		Solution: "close them in Chargebee",
	})
	if err != nil {
		return fmt.Errorf("check pending invoices: %w", err)
	}
	return nil
}

// minMissingWebhooks is the number of missing webhooks from which a common cause is likely.
const minMissingWebhooks = 5

// addMissingWebhooks reports invoices whose webhook never arrived, if there are at least minMissingWebhooks.
func (s *sweep) addMissingWebhooks() {
	var missing tally
	for _, enqueued := range s.result.Enqueued {
		if enqueued.Reason == NeverStarted {
			missing.add(enqueued.InvoiceID, "", enqueued.Date)
		}
	}
	if missing.count >= minMissingWebhooks {
		s.addTally(missing, finding.Finding{
			Name: "webhooks_missing", Level: finding.Warning,
			Message:  "many pending invoices never had a message: Chargebee does not send pending_invoice_created, or the receiver does not get it",
			Solution: "check in Chargebee that Notify for Pending Invoices is enabled, and that the webhook has this event and API version V2",
		})
	}
}

// checkInvoice decides on one invoice, enqueues it if that is the decision, and records the result. It
// returns an error only if the ledger could not be read; an error of sending is a part of the result.
func (s *sweep) checkInvoice(ctx context.Context, invoice billing.Invoice) error {
	defer s.recordProgress()
	record, recorded, err := s.Ledger.Record(ctx, invoice.ID)
	if err != nil {
		return err
	}
	decided := s.decide(invoice, record, recorded)
	var messageID *string
	var sendErr error
	if decided.enqueue != "" && !s.options.DryRun {
		messageID, sendErr = s.enqueue(ctx, invoice)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	date := time.Unix(invoice.Date, 0).UTC()
	switch {
	case sendErr != nil:
		s.result.Failed = append(s.result.Failed, EnqueueFailure{invoice.ID, sendErr.Error()})
	case decided.enqueue != "":
		s.result.Enqueued = append(s.result.Enqueued, Enqueued{invoice.ID, invoice.CustomerID, decided.enqueue, date, messageID})
	default:
		s.result.Skipped[decided.skip]++
	}
	if decided.skip == Rejected && s.isIdle(record) && !hasClaimedEvents(record) {
		s.rejected[invoice.ID] = date
	}
	if decided.tally != nil {
		decided.tally.add(invoice.ID, invoice.SubscriptionID, date)
	}
	return nil
}

func (s *sweep) enqueue(ctx context.Context, invoice billing.Invoice) (messageID *string, err error) {
	message, err := newMessage(invoice, s.began)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	id, err := s.Queue.Send(ctx, message)
	if err != nil {
		return nil, err
	}
	return &id, nil
}

// invoices returns the invoices that the query selects, page by page. An invoice that changes meanwhile may be
// returned although it is not selected anymore.
func invoices(ctx context.Context, site Site, query billing.InvoiceQuery) iter.Seq2[billing.Invoice, error] {
	return func(yield func(billing.Invoice, error) bool) {
		for {
			page, err := listPage(ctx, site, &query)
			if err != nil {
				yield(billing.Invoice{}, err)
				return
			}
			for _, invoice := range page.Invoices {
				if !yield(invoice, nil) {
					return
				}
			}
			if query.Offset = page.Next; query.Offset == "" {
				return
			}
		}
	}
}

// listPage returns the page that the query selects, and retries temporary errors. If the response is too
// large, it reduces the limit of the query, also for later pages.
func listPage(ctx context.Context, site Site, query *billing.InvoiceQuery) (billing.InvoicePage, error) {
	return retry.Do(ctx, listBackoff, isTemporary, func(ctx context.Context) (billing.InvoicePage, error) {
		return query.List(func(limited billing.InvoiceQuery) (billing.InvoicePage, error) { return listOnce(ctx, site, limited) })
	})
}

// isTemporary reports whether a list that failed can succeed when it is repeated.
func isTemporary(err error) bool {
	failure, called := errors.AsType[*billing.Failure](err)
	if !called {
		return errors.Is(err, ratelimit.ErrExpired)
	}
	return failure.Kind == billing.Unknown || failure.Kind == billing.Transient || failure.Kind == billing.Limited
}

// listOnce makes one call under a permit. permitTimeout bounds only the wait for the permit.
func listOnce(ctx context.Context, site Site, query billing.InvoiceQuery) (page billing.InvoicePage, err error) {
	waitCtx, cancel := context.WithTimeoutCause(ctx, permitTimeout, fmt.Errorf("no permit for a call to Chargebee within %s: see consumer check", permitTimeout))
	defer cancel()
	err = ratelimit.Do(waitCtx, site, func(permit *ratelimit.Permit) (err error) {
		page, err = site.ListInvoices(ctx, permit, query)
		return err
	})
	return page, err
}
