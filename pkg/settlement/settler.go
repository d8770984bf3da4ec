package settlement

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/event"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/retry"
)

// MaxAge is the age from which a message is rejected: the queue forgets it after
// 7 days.
const MaxAge = 6 * 24 * time.Hour

// The queue moves a message away without a reason after 1000 receives and forgets it
// after 7 days. Once it was received manyReceives times, a message comes back so
// seldom that it is too old before it was received that often; and so often that, if
// not even its head can be taken to say so, it was received that often before it is
// forgotten.
const (
	manyReceives = 50
	rareDelay    = 570 * time.Second
)

// LeastReceives is how many receives the queue has to allow, so that a message is
// rejected as too old, with what the ledger knows, before the queue moves it.
const MinReceives = manyReceives + int(MaxAge/rareDelay) + 1

// retention is how long the ledger of a finished invoice is kept: longer than
// Chargebee repeats webhooks and queues keep messages, replays included.
const retention = 90 * 24 * time.Hour

// attemptBackoff is the delay after a handling without progress.
var attemptBackoff = retry.Backoff{First: 5 * time.Second, Max: 15 * time.Minute}

// Settings are the rules of settlement that an operator can set.
type Settings struct {
	Lease             time.Duration // how long a handling holds an invoice without a sign of life
	CallTimeout       time.Duration // of one call to Chargebee
	MaxEffectDelay    time.Duration // a call takes effect within this time, or never
	IdempotencyWindow time.Duration // how long Chargebee remembers an idempotency key
	MaxSkew           time.Duration // between the clocks of any two pods
	MaxAttempts       int           // handlings without progress before a message is rejected

	Close              bool  // close the invoice once it is charged
	CloseWithoutEvents bool  // close it also when there was nothing to charge
	MaxAmount          int64 // the most that one plan may charge, minor units; 0 is no limit

	TrustWebhook bool // take a complete webhook for what the invoice is, instead of reading it

	Catalog billing.Catalog // what charge codes are, in plans that are drawn from now on
}

// goneShows is from when on a read shows what became of a draft that is gone.
func (s Settings) missingConfirmedAt(record billing.Record) time.Time {
	// The ledger keeps whole seconds: the next one is surely not before the draft was gone.
	return time.Unix(record.MissingSince+1, 0).Add(s.MaxEffectDelay + s.MaxSkew)
}

// sendUntil is the age at which a line that was sent may no longer be sent again: a
// call takes effect within MaxEffectDelay of its check, and what took effect must show
// before the key is forgotten.
func (s Settings) resendLimit() time.Duration {
	return s.IdempotencyWindow - 2*s.MaxEffectDelay - s.MaxSkew //mutant:send-until
}

// leavesOpen tells whether an invoice with these lines is not closed once they are charged.
func (s Settings) leavesOpen(lines []billing.Line) bool {
	return !s.Close || len(lines) == 0 && !s.CloseWithoutEvents
}

// beforePermit is how long the lease lasts at least when a permit for a call is asked
// for: longer than the call, so that it need not be written between the two.
func (s Settings) minLeaseForPermit() time.Duration { return s.CallTimeout * 3 / 2 }

// LongestWait is how long the head of an unfinished invoice may stay untouched although
// its message is on its way: until what was sent is forgotten and shows, or for the
// longest back-off, and a handling's lease. It can be longer only while no consumer
// receives, or where Chargebee itself asks for more.
func (s Settings) MaxIdle() time.Duration {
	known := s.IdempotencyWindow + s.MaxEffectDelay + s.MaxSkew
	return max(known, attemptBackoff.Max, rareDelay) + s.MaxSkew + s.Lease
}

// Settler settles pending invoices, one message at a time. All fields are
// required. It is safe for concurrent use.
type Settler struct {
	Ledger      Ledger
	Claims      Claims
	Events      Events
	Charger     Charger
	Invoices    Invoices
	RateLimiter RateLimiter
	Breaker     *Breaker
	Observer    Observer
	Now         func() time.Time // with monotonic clock reading
	Settings    Settings
}

// errAnew says that the head has to be looked at anew: it moved, or a call was to
// be made again.
var errReload = errors.New("settlement: look at the head anew")

// handling is the work on one message under one lease.
type session struct {
	*Settler

	invoice      event.Invoice // as the message shows it
	occurredAt   int64         // when the event of the message occurred, unix seconds
	replayed     bool          // the message was a dead letter before
	firstMessage bool          // the ledger did not know the invoice

	lease    *lease
	manifest billing.Manifest
	plan     billing.Plan
	planned  bool         // plan is loaded
	lastPage billing.Page // the last one that this handling claimed; it is not read again

	assertedNotCharged bool // a person vouches that lines that cannot be found were not charged

	draft       *billing.Invoice // as this session read it before the first charge; nil if it did not
	planChecked bool             // this session made the manifest, or compared it with the draft

	recheck          bool // a rejected invoice is resumed: look at its lines first
	added            int  // lines below it are known to be added; ahead of the head's cursor by one at most
	linesSeen        bool // an answer to this handling showed the invoice with our lines
	answerIncomplete bool // an answer was too long to prove that no line is missing

	report *Report
}

// Handle settles the invoice that the message is about and says what shall become
// of the message. It never fails: what goes wrong is an outcome.
func (s *Settler) Handle(ctx context.Context, delivery *queue.Delivery) queue.Outcome {
	report := &Report{MessageID: delivery.ID, EventID: delivery.Attributes[queue.AttributeEventID], Started: s.Now()}
	outcome := s.process(ctx, delivery, report)
	if outcome.Action == queue.Retry && delivery.ReceiveCount > manyReceives {
		outcome.Delay = max(outcome.Delay, rareDelay)
	}
	report.Duration = s.Now().Sub(report.Started)
	report.Outcome = outcome
	s.Observer.Handled(ctx, *report)
	return outcome
}

func (s *Settler) process(ctx context.Context, delivery *queue.Delivery, report *Report) queue.Outcome {
	webhook, err := event.ParseMessage(delivery.Body)
	if err != nil {
		report.Reason = billing.UnreadableMessage
		return queue.Outcome{Action: queue.DeadLetter, Reason: string(billing.UnreadableMessage), Detail: err.Error()}
	}
	report.EventID, report.EventType = webhook.ID, webhook.Type
	if webhook.Type != event.PendingInvoiceCreated {
		return queue.Outcome{Action: queue.Ack}
	}
	report.InvoiceID = webhook.Invoice.ID

	h := &session{
		Settler:    s,
		invoice:    webhook.Invoice,
		occurredAt: webhook.OccurredAt,
		replayed:   delivery.Attributes[queue.AttributeReplayCount] != "",
		lease:      newLease(s.Ledger, s.Now, s.Settings.Lease),
		report:     report,
	}
	err = h.acquire(ctx)
	switch {
	case err != nil:
	case h.record().State == billing.Finished:
		report.Repeated = true
	default:
		delivery.SetHeartbeat(h.lease.heartbeat)
		err = h.run(ctx, delivery.SentAt)
	}
	return h.outcome(ctx, err)
}

// settle works under the lease until the invoice is done or rejected.
func (h *session) run(ctx context.Context, sentAt time.Time) error {
	err := h.checkLimits(sentAt)
	if err == nil {
		err = h.loadManifest(ctx)
	}
	if err := h.reject(ctx, err); err != nil {
		return err
	}
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var err error
		switch state := h.record().State; state {
		case billing.Finished:
			return nil
		case billing.Rejected:
			if !h.recheck {
				return nil
			}
			err = h.resume(ctx)
		case billing.Claiming:
			err = h.claim(ctx)
		case billing.Charging:
			err = h.charge(ctx)
		case billing.Closing:
			err = h.closeInvoice(ctx)
		case billing.Settling:
			err = h.bill(ctx)
		case billing.Releasing:
			err = h.release(ctx)
		default:
			return fmt.Errorf("the head of %s is in the unknown state %q", h.record().InvoiceID, state)
		}
		if errors.Is(err, errReload) {
			continue
		}
		if err != nil {
			err = h.reject(ctx, err)
		}
		if err != nil {
			return err
		}
	}
}

// admit refuses what shall not be tried anymore.
func (h *session) checkLimits(sentAt time.Time) error {
	record := h.record()
	if age := h.Now().Sub(sentAt); !sentAt.IsZero() && age >= MaxAge {
		return &billing.Rejection{Reason: billing.TooOld, Detail: fmt.Sprintf("the message is %s old", age.Round(time.Hour))}
	}
	if record.Attempts > h.Settings.MaxAttempts {
		return &billing.Rejection{
			Reason: billing.AttemptsExhausted,
			Detail: fmt.Sprintf("%d handlings without progress, the last one: %s", record.Attempts-1, record.Detail),
		}
	}
	return nil
}

func (h *session) record() billing.Record { return h.lease.current() }

// conclude turns how a handling ended into what becomes of its message, and gives
// the lease up where the message comes back.
func (h *session) outcome(ctx context.Context, err error) queue.Outcome {
	record := h.record()
	h.report.recordEnd(record, err)

	var later *deferral
	switch {
	case err == nil && record.Replanned():
		after := indexDelay + h.Settings.MaxSkew + time.Second
		h.report.DeferReason = record.Detail
		return queue.Outcome{Delay: after}
	case err == nil && record.State == billing.Rejected:
		return queue.Outcome{Action: queue.DeadLetter, Reason: string(record.Reason), Detail: record.Detail}
	case err == nil:
		return queue.Outcome{Action: queue.Ack}
	case errors.Is(err, billing.ErrFenced):
		return queue.Outcome{Delay: retry.Jitter(attemptBackoff.First, 0.5)}
	case ctx.Err() != nil:
		later = &deferral{reason: "the handling was stopped"}
	case errors.As(err, &later):
	default:
		later = &deferral{reason: err.Error(), countsAttempt: true}
	}
	if later.countsAttempt {
		later.delay = attemptBackoff.Jittered(max(record.Attempts, 1))
	}
	h.releaseLease(ctx, later)
	return queue.Outcome{Delay: later.delay}
}

// giveUp ends the lease, so that whoever gets the message next can go on at once.
// A handling that ends for a known time was no attempt.
func (h *session) releaseLease(ctx context.Context, reason *deferral) {
	if h.record().Owner == "" {
		return
	}
	// An error changes nothing: the lease runs out by itself.
	_ = h.lease.commit(ctx, func(step *billing.Step) {
		step.Record.Owner, step.Record.LeaseUntil = "", 0
		h.applyProgress(step)
		switch {
		case !reason.countsAttempt:
			step.Record.Attempts = max(step.Record.Attempts-1, 0)
		case !isRejecting(step.Record):
			step.Record.Detail = billing.CutBytes(reason.reason, maxDetail)
		}
	})
}
