// Package reconcile compares what Chargebee, the ledger, the queues and the events table hold. A sweep
// enqueues pending invoices whose webhook never arrived, and reports claims and events that nothing
// bills.
package reconcile

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/finding"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/ratelimit"
)

// Site lists what is pending at Chargebee, within the limit of calls.
type Site interface {
	// ListInvoices returns a page of a list of invoices, with as many of their lines as the
	// answer shows. Errors are *billing.Failure, or ratelimit.ErrExpired when nothing was sent
	// because the permit had expired.
	ListInvoices(ctx context.Context, permit *ratelimit.Permit, query billing.InvoiceQuery) (billing.InvoicePage, error)
	ratelimit.Caller
}

// Book is the ledger as a whole. All reads are strong.
type Ledger interface {
	// Head returns the head of the invoice; ok is false when there is none.
	Record(ctx context.Context, invoiceID string) (record billing.Record, ok bool, err error)
	// Heads returns the heads of all invoices, in no order.
	Records(ctx context.Context) iter.Seq2[billing.Record, error]
}

// Events finds billable events.
type Events interface {
	// AllUnbilled returns the unbilled events of all subscriptions, as an index shows
	// them, in no order.
	AllUnbilled(ctx context.Context) iter.Seq2[billing.Event, error]
}

// Letters shows the messages of the dead-letter queue without taking them.
type DeadLetters interface {
	// Browse calls visit for each message, a few at a time, until it returns false.
	// complete says whether all were seen.
	Browse(ctx context.Context, visit func([]queue.Message) bool) (complete bool, err error)
}

// Queue is where consumers take messages from.
type Queue interface {
	// Send returns the id that the queue gave to the message, and nil only if the queue
	// has this very message.
	Send(ctx context.Context, message queue.Message) (id string, err error)
	// Backlog is about how much is in the queue.
	Backlog(ctx context.Context) (Backlog, error)
}

// Backlog is about how many messages a queue holds: by its own count, which may be a
// minute late.
type Backlog struct {
	Visible  int `json:"visible"`
	InFlight int `json:"in_flight"` // received, and neither deleted nor given back
	Delayed  int `json:"delayed"`
}

// Empty tells whether the queue holds nothing.
func (b Backlog) Empty() bool { return b == Backlog{} }

// Sweeper finds what nobody works on although somebody should: pending invoices whose
// webhook never arrived or whose message is gone, claims that nothing leads to anymore,
// and events that no invoice came for.
type Sweeper struct {
	Ledger      Ledger
	Events      Events
	DeadLetters DeadLetters
	Queue       Queue
	Now         func() time.Time

	// CallSite has call do what takes calls to Chargebee. An error of its own says why
	// none can be made.
	CallSite func(ctx context.Context, call func(Site) error) error
	// Progress, which may be nil, is told of each invoice, head and event that was looked
	// at. It may be called by several goroutines.
	Progress func()
}

// Rules is how a sweep judges.
type Options struct {
	DryRun bool // nothing is enqueued

	OlderThan       time.Duration // an invoice that is younger may still get its webhook
	EventsOlderThan time.Duration // an event that is younger waits for its invoice

	// LongestWait is for how long a head stays untouched at most while its message is on
	// its way.
	MaxIdle time.Duration
	// Shows is after which time a list of invoices shows what happened to them.
	ListDelay time.Duration

	Close              bool // invoices are closed once they are charged
	CloseWithoutEvents bool // also when there was nothing to charge
}

// Swept is what a sweep found. Absent values are null.
type Result struct {
	Complete bool         `json:"complete"` // all was looked at, and all that is due is in the queue
	DryRun   bool         `json:"dry_run"`
	Pending  int          `json:"pending"`  // invoices at Chargebee
	Enqueued []Enqueued   `json:"enqueued"` // or, in a dry run, what would be
	Skipped  map[Skip]int `json:"skipped"`
	Failed   []Unsent     `json:"failed"`
	Queue    *Backlog     `json:"queue"` // before the sweep; null: not known
	Findings []Finding    `json:"findings"`
}

// Enqueued is a pending invoice that a message was made for.
type Enqueued struct {
	InvoiceID  string        `json:"invoice_id"`
	CustomerID string        `json:"customer_id"`
	Reason     EnqueueReason `json:"why"`
	Date       time.Time     `json:"date"` // of the invoice
	MessageID  *string       `json:"message_id"`
}

// Why says why an invoice gets a message.
type EnqueueReason string

// The reasons.
const (
	NeverStarted EnqueueReason = "never_begun" // the ledger does not know it: its webhook never arrived
	Abandoned    EnqueueReason = "left_behind" // it is unfinished, and untouched for longer than any wait
)

// Unsent is a pending invoice whose message may not be in the queue.
type Unsent struct {
	InvoiceID string `json:"invoice_id"`
	Error     string `json:"error"`
}

// ErrPartial says that not all could be looked at, or enqueued.
var ErrPartial = errors.New("not all was swept: start it again")

// sweep is one run.
type sweep struct {
	*Sweeper

	rules Options
	began time.Time

	result Result
	closed tally // pending at Chargebee, closed by the ledger
	opened tally // left open, though invoices are closed
}

// Run sweeps once. What cannot be looked at keeps nothing else from being looked at. Two
// sweeps at once, or one after the other before consumers have begun, enqueue the same
// invoices: that is harmless, for the ledger decides who bills them.
//
// Errors: those of the ports, joined, and ErrPartial; the result says what was done.
func (s *Sweeper) Run(ctx context.Context, rules Options) (Result, error) {
	w := &sweep{Sweeper: s, rules: rules, began: s.Now()}
	w.result = Result{DryRun: rules.DryRun, Enqueued: []Enqueued{}, Skipped: map[Skip]int{}, Failed: []Unsent{}, Findings: []Finding{}}
	err := errors.Join(w.backlog(ctx), w.invoices(ctx), w.claims(ctx), w.events(ctx))
	if len(w.result.Failed) > 0 || err != nil {
		err = errors.Join(err, ErrPartial)
	}
	w.result.Complete = err == nil
	slices.SortFunc(w.result.Enqueued, func(a, b Enqueued) int {
		return cmp.Or(a.Date.Compare(b.Date), strings.Compare(a.InvoiceID, b.InvoiceID))
	})
	slices.SortFunc(w.result.Failed, func(a, b Unsent) int { return strings.Compare(a.InvoiceID, b.InvoiceID) })
	return w.result, err
}

func (s *sweep) backlog(ctx context.Context) error {
	found, err := s.Queue.Backlog(ctx)
	if err != nil {
		return err
	}
	s.result.Queue = &found
	if !found.Empty() {
		s.addFinding(Finding{Count: found.Visible + found.InFlight + found.Delayed, Finding: finding.Finding{
			Name: "queue_not_empty", Level: finding.OK,
			Message: "the queue holds messages, and those cannot be seen without receiving them: some may be for invoices that are enqueued here again, which is harmless",
		}})
	}
	return nil
}

func (s *sweep) reportProgress() {
	if s.Progress != nil {
		s.Progress()
	}
}

// untouched tells whether a head's message must be gone: nobody holds the head, and
// nobody wrote it for longer than any wait.
func (s *sweep) isIdle(record billing.Record) bool {
	return s.began.Sub(time.Unix(max(record.UpdatedAt, record.LeaseUntil), 0)) > s.rules.MaxIdle
}
