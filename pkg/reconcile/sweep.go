package reconcile

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/finding"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/ratelimit"
)

// Site lists invoices at Chargebee, within the rate limit.
type Site interface {
	// ListInvoices returns a page of a list of invoices. Errors are *billing.Failure, or
	// ratelimit.ErrExpired if nothing was sent because the permit had expired.
	ListInvoices(ctx context.Context, permit *ratelimit.Permit, query billing.InvoiceQuery) (billing.InvoicePage, error)
	ratelimit.Caller
}

// Ledger reads the records and plans of invoices, strongly consistent.
type Ledger interface {
	// Record returns the record of the invoice; ok is false if there is none.
	Record(ctx context.Context, invoiceID string) (record billing.Record, ok bool, err error)
	// FindRecord returns the record of the invoice with the given draft or final id.
	FindRecord(ctx context.Context, id string) (record billing.Record, ok bool, err error)
	// Records returns the records of all invoices, in no order.
	Records(ctx context.Context) iter.Seq2[billing.Record, error]
	// Plan returns the plan of an epoch; billing.ErrNotFound if it expired.
	Plan(ctx context.Context, invoiceID, epoch string) (billing.Plan, error)
}

// Events finds billable events.
type Events interface {
	// AllUnbilled returns the unbilled events of all subscriptions, eventually consistent and in no
	// order.
	AllUnbilled(ctx context.Context) iter.Seq2[billing.Event, error]
	// Claimed returns all claimed events, in no order. It reads the whole table.
	Claimed(ctx context.Context) iter.Seq2[billing.ClaimedEvent, error]
}

// DeadLetters reads the dead-letter queue without deleting anything.
type DeadLetters interface {
	// Browse calls visit with a few messages at a time, until it returns false. complete reports
	// whether all messages were visited.
	Browse(ctx context.Context, visit func([]queue.Message) bool) (complete bool, err error)
}

// Queue is the queue from which consumers receive.
type Queue interface {
	// Send returns the id of the message in the queue.
	Send(ctx context.Context, message queue.Message) (id string, err error)
	// Backlog returns the approximate number of messages.
	Backlog(ctx context.Context) (Backlog, error)
}

// Backlog is the approximate number of messages in a queue, up to a minute old.
type Backlog struct {
	Visible  int `json:"visible"`
	InFlight int `json:"in_flight"` // received and not deleted
	Delayed  int `json:"delayed"`
}

// Empty reports whether the queue holds nothing.
func (b Backlog) Empty() bool { return b == Backlog{} }

// Sweeper finds pending invoices, claims and events that no consumer is billing.
type Sweeper struct {
	Ledger      Ledger
	Events      Events
	DeadLetters DeadLetters
	Queue       Queue
	Now         func() time.Time

	// CallSite calls fn with a Site and returns its error, or an error why Chargebee cannot be called.
	CallSite func(ctx context.Context, fn func(Site) error) error
	// Progress is called for each invoice, record and event, by several goroutines. May be nil.
	Progress func()
}

// Options are the rules of a sweep.
type Options struct {
	DryRun bool // nothing is enqueued

	OlderThan       time.Duration // younger invoices are skipped: their webhook may still arrive
	EventsOlderThan time.Duration // younger events are not reported: their invoice is still to come
	CheckClaims     bool          // also read the whole events table for claims that the ledger does not have
	ChangedWithin   time.Duration // only invoices that changed in this time are checked for being voided or deleted
	MaxIdle         time.Duration // if an unfinished record is unchanged for longer, its message is lost
	ListDelay       time.Duration // maximum time until a list of invoices at Chargebee shows a change

	Close              bool // invoice.close: consumers close invoices
	CloseWithoutEvents bool // invoice.close_without_events: also those without events
}

// Result is the result of a sweep. Absent values are null.
type Result struct {
	Complete bool               `json:"complete"` // no part of the sweep failed, and no message
	DryRun   bool               `json:"dry_run"`
	Pending  int                `json:"pending"`  // pending invoices at Chargebee
	Enqueued []Enqueued         `json:"enqueued"` // in a dry run: would be enqueued
	Skipped  map[SkipReason]int `json:"skipped"`
	Failed   []EnqueueFailure   `json:"failed"`
	Queue    *Backlog           `json:"queue"` // before the sweep; null: unknown
	Findings []Finding          `json:"findings"`
}

// Enqueued is a pending invoice for which a message was sent, or would be without the dry run.
type Enqueued struct {
	InvoiceID  string        `json:"invoice_id"`
	CustomerID string        `json:"customer_id"`
	Reason     EnqueueReason `json:"why"`
	Date       time.Time     `json:"date"`       // of the invoice
	MessageID  *string       `json:"message_id"` // null in a dry run
}

// EnqueueReason is a reason for which an invoice gets a message.
type EnqueueReason string

// The reasons.
const (
	NeverStarted EnqueueReason = "never_begun" // not in the ledger: its webhook probably never arrived
	Abandoned    EnqueueReason = "left_behind" // unfinished, and unchanged for longer than MaxIdle
)

// EnqueueFailure is a pending invoice whose message could not be sent, or was sent without a confirmation.
type EnqueueFailure struct {
	InvoiceID string `json:"invoice_id"`
	Error     string `json:"error"`
}

// ErrPartial means that a part of the sweep failed, or a message.
var ErrPartial = errors.New("incomplete sweep: run it again")

type sweep struct {
	*Sweeper

	options Options
	began   time.Time

	mu       sync.Mutex // guards the fields below, except result.Pending, while invoices are checked concurrently
	result   Result
	closed   tally                // pending at Chargebee, closed in the ledger
	leftOpen tally                // finished and left open, but would be closed with the present settings
	rejected map[string]time.Time // idle pending invoices, rejected without claimed events: date by id
}

// Run sweeps once. It returns a result even with an error: ErrPartial, joined with the errors of the
// parts that failed.
func (s *Sweeper) Run(ctx context.Context, options Options) (Result, error) {
	w := &sweep{Sweeper: s, options: options, began: s.Now(), rejected: map[string]time.Time{}}
	w.result = Result{
		DryRun: options.DryRun, Enqueued: []Enqueued{}, Skipped: map[SkipReason]int{}, Failed: []EnqueueFailure{}, Findings: []Finding{},
	}
	err := errors.Join(w.checkBacklog(ctx), w.checkInvoices(ctx), w.checkWithdrawn(ctx), w.checkDeadLetters(ctx), w.checkEvents(ctx), w.checkClaims(ctx))
	if len(w.result.Failed) > 0 || err != nil {
		err = errors.Join(err, ErrPartial)
	}
	w.result.Complete = err == nil
	slices.SortFunc(w.result.Enqueued, func(a, b Enqueued) int {
		return cmp.Or(a.Date.Compare(b.Date), strings.Compare(a.InvoiceID, b.InvoiceID))
	})
	slices.SortFunc(w.result.Failed, func(a, b EnqueueFailure) int { return strings.Compare(a.InvoiceID, b.InvoiceID) })
	return w.result, err
}

func (s *sweep) checkBacklog(ctx context.Context) error {
	found, err := s.Queue.Backlog(ctx)
	if err != nil {
		return err
	}
	s.result.Queue = &found
	if !found.Empty() {
		s.result.Findings = append(s.result.Findings, Finding{
			Count: found.Visible + found.InFlight + found.Delayed, Examples: []string{}, Subscriptions: []SubscriptionCount{},
			Finding: finding.Finding{
				Name: "queue_not_empty", Level: finding.OK,
				Message: "the queue holds messages, which cannot be listed: some may be for invoices that this sweep enqueues again, which is harmless",
			},
		})
	}
	return nil
}

func (s *sweep) recordProgress() {
	if s.Progress != nil {
		s.Progress()
	}
}

// isIdle reports whether no session changed the record, or had its lease, for longer than MaxIdle. An
// unfinished invoice has then lost its message.
func (s *sweep) isIdle(record billing.Record) bool {
	return s.began.Sub(time.Unix(max(record.UpdatedAt, record.LeaseUntil), 0)) > s.options.MaxIdle
}
