package reconcile

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/finding"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/retry"
)

const (
	maxConcurrentChecks = 32               // invoices that are looked at, enough to fill the batches that their messages share
	permitTimeout       = 2 * time.Minute  // the longest wait for a call
	sendTimeout         = 30 * time.Second // until the queue has a message
)

var listBackoff = retry.Backoff{First: time.Second, Max: 15 * time.Second, Attempts: 5}

// Skip says why a pending invoice needs nothing.
type Skip string

// The reasons.
const (
	Young        Skip = "young"         // its webhook may still arrive
	InProgress   Skip = "under_way"     // somebody works on it, or its message waits
	IsRejected   Skip = "rejected"      // its dead letter is for a person to handle
	IsLeftOpen   Skip = "left_open"     // charged, and not closed as configured
	IsEmpty      Skip = "empty"         // it has no line, and cannot be closed
	JustFinished Skip = "just_finished" // the list may not show yet that it is closed
	Reported     Skip = "in_findings"   // the ledger says otherwise: see the findings
)

// Skips are all of them.
var Skips = []Skip{Young, InProgress, IsRejected, IsLeftOpen, IsEmpty, JustFinished, Reported}

// decision is what shall become of one pending invoice.
type decision struct {
	enqueue EnqueueReason // empty: nothing is sent
	skip    Skip          // why not
	finding string        // the name of what does not fit; empty: nothing
}

// The names of findings about pending invoices.
const (
	closedButPending = "closed_but_pending"
	leftOpen         = "left_open"
)

// decide judges an invoice that Chargebee listed as pending, by the ledger's word on it.
func (s *sweep) decide(invoice billing.Invoice, record billing.Record, ok bool) decision {
	switch {
	case !ok:
		// The date may be before the invoice was made: then it is enqueued early, and
		// its webhook is a repetition.
		if s.began.Sub(time.Unix(invoice.Date, 0)) < s.rules.OlderThan {
			return decision{skip: Young}
		}
		return decision{enqueue: NeverStarted}
	case record.State == billing.Finished:
		return s.decideFinished(record)
	case record.State == billing.Rejected && !record.Replanned():
		return decision{skip: IsRejected}
	case s.isIdle(record):
		return decision{enqueue: Abandoned}
	default:
		return decision{skip: InProgress}
	}
}

func (s *sweep) decideFinished(record billing.Record) decision {
	switch record.Outcome {
	case billing.Empty:
		return decision{skip: IsEmpty}
	case billing.LeftOpen:
		nothingCharged := record.Pages == 0
		if !s.rules.Close || nothingCharged && !s.rules.CloseWithoutEvents {
			return decision{skip: IsLeftOpen}
		}
		return decision{skip: Reported, finding: leftOpen}
	default:
		if s.began.Sub(time.Unix(record.UpdatedAt, 0)) < s.rules.ListDelay {
			return decision{skip: JustFinished}
		}
		return decision{skip: Reported, finding: closedButPending}
	}
}

// invoices looks at all that is pending at Chargebee.
func (s *sweep) invoices(ctx context.Context) error {
	err := s.CallSite(ctx, func(site Site) error {
		under := &concurrentChecks{}
		slots := make(chan struct{}, maxConcurrentChecks)
		err := s.pages(ctx, site, func(invoice billing.Invoice) bool {
			slots <- struct{}{}
			under.Go(func() {
				defer func() { <-slots }()
				s.checkInvoice(ctx, under, invoice)
			})
			return under.err() == nil
		})
		under.Wait()
		return errors.Join(err, under.err())
	})
	s.addMissingWebhooks()
	s.addTally(&s.closed, Finding{Finding: finding.Finding{
		Name: closedButPending, Level: finding.Error,
		Message: "invoices are pending at Chargebee, and the ledger says that they are closed: a deployment of another site wrote it, or somebody did",
		Remedy:  "compare with consumer invoice show ID; nothing is charged on them anymore",
	}})
	s.addTally(&s.opened, Finding{Finding: finding.Finding{
		Name: leftOpen, Level: finding.Warning,
		Message: "invoices are charged and were left open, because invoice.close or invoice.close_without_events was off then",
		Remedy:  "close them in Chargebee",
	}})
	if err != nil {
		return fmt.Errorf("pending invoices: %w", err)
	}
	return nil
}

// manyNeverBegun is from how many invoices without a message on the cause is likely one for all.
const minMissingWebhooks = 5

// findMissingWebhooks reports that many invoices never had a message.
func (s *sweep) addMissingWebhooks() {
	var missing tally
	for _, one := range s.result.Enqueued {
		if one.Reason == NeverStarted {
			missing.add(one.InvoiceID, "", one.Date)
		}
	}
	if missing.count < minMissingWebhooks {
		return
	}
	s.addTally(&missing, Finding{Finding: finding.Finding{
		Name: "webhooks_missing", Level: finding.Warning,
		Message: "many pending invoices never had a message: Chargebee does not send pending_invoice_created, or the receiver does not get it",
		Remedy:  "in Chargebee, see whether Notify for Pending Invoices is enabled, and whether the webhook has this event and API version V2",
	}})
}

// looks are looks at invoices at the same time. The lock guards the sweep's result.
type concurrentChecks struct {
	sync.WaitGroup
	sync.Mutex

	failed error // of the ledger: there is no point in going on
}

func (l *concurrentChecks) err() error {
	l.Lock()
	defer l.Unlock()
	return l.failed
}

// look does what is due about one invoice.
func (s *sweep) checkInvoice(ctx context.Context, under *concurrentChecks, invoice billing.Invoice) {
	record, ok, err := s.Ledger.Record(ctx, invoice.ID)
	decided := s.decide(invoice, record, ok)
	var id *string
	var unsent error
	if err == nil && decided.enqueue != "" && !s.rules.DryRun {
		id, unsent = s.enqueue(ctx, invoice)
	}
	s.reportProgress()

	under.Lock()
	defer under.Unlock()
	s.result.Pending++
	date := time.Unix(invoice.Date, 0).UTC()
	switch {
	case err != nil:
		under.failed = err
	case unsent != nil:
		s.result.Failed = append(s.result.Failed, Unsent{invoice.ID, unsent.Error()})
	case decided.enqueue != "":
		s.result.Enqueued = append(s.result.Enqueued, Enqueued{invoice.ID, invoice.CustomerID, decided.enqueue, date, id})
	default:
		s.result.Skipped[decided.skip]++
	}
	switch decided.finding {
	case closedButPending:
		s.closed.add(invoice.ID, invoice.SubscriptionID, date)
	case leftOpen:
		s.opened.add(invoice.ID, invoice.SubscriptionID, date)
	}
}

// enqueue sends the message that the webhook would have been.
func (s *sweep) enqueue(ctx context.Context, invoice billing.Invoice) (*string, error) {
	message, err := message(invoice, s.began)
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

// pages calls visit for each pending invoice, until it returns false. One that is made
// or closed meanwhile may come or not.
func (s *sweep) pages(ctx context.Context, site Site, visit func(billing.Invoice) bool) error {
	for query := (billing.InvoiceQuery{Pending: true}); ; {
		page, err := list(ctx, site, &query)
		if err != nil {
			return err
		}
		for _, invoice := range page.Invoices {
			if !visit(invoice) {
				return nil
			}
		}
		if query.Offset = page.Next; query.Offset == "" {
			return nil
		}
	}
}

// list asks for a page, again where that can help: a list changes nothing. An answer that is
// too large is asked for with a smaller limit, which holds for the pages to come.
func list(ctx context.Context, site Site, query *billing.InvoiceQuery) (billing.InvoicePage, error) {
	return retry.Do(ctx, listBackoff, isTemporary, func(ctx context.Context) (billing.InvoicePage, error) {
		for {
			page, err := listOnce(ctx, site, *query)
			if failure, failed := errors.AsType[*billing.Failure](err); !failed || !failure.TooLarge || !query.ReduceLimit() {
				return page, err
			}
		}
	})
}

func isTemporary(err error) bool {
	failure, failed := errors.AsType[*billing.Failure](err)
	if !failed {
		return errors.Is(err, ratelimit.ErrExpired)
	}
	return failure.Kind == billing.Unknown || failure.Kind == billing.Transient || failure.Kind == billing.Limited
}

func listOnce(ctx context.Context, site Site, query billing.InvoiceQuery) (page billing.InvoicePage, err error) {
	waiting, cancel := context.WithTimeoutCause(ctx, permitTimeout, fmt.Errorf("no call to Chargebee was free for %s: consumer check says why", permitTimeout))
	defer cancel()
	err = ratelimit.Do(waiting, site, func(permit *ratelimit.Permit) (err error) {
		page, err = site.ListInvoices(ctx, permit, query)
		return err
	})
	return page, err
}
