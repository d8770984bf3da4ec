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

// session is the processing of one message under one lease.
type session struct {
	*Settler
	message
	epochItems
	progress

	lease  *lease
	report *Report
}

// message is the input of a session.
type message struct {
	invoice    event.Invoice // as the webhook shows it
	occurredAt int64         // time of the webhook event, unix seconds
	sentAt     time.Time     // when it was put into the queue
	replayed   bool          // it was a dead letter before

	assertedNotCharged bool // in an operator's release: lines that are not found were not charged
}

// epochItems are the items of an epoch in the ledger, as far as this session read or wrote them.
type epochItems struct {
	manifest billing.Manifest
	plan     billing.Plan
	planned  bool         // plan was read or written
	lastPage billing.Page // the last page that this session claimed
}

// progress is the state of a session that is not in the ledger. A session that takes over does not need it.
type progress struct {
	firstMessage bool // the ledger had no record of the invoice
	recheck      bool // the record is rejected, and the added lines were not compared with the draft yet

	claimed     eventSet         // events on the pages of the epoch, while it is claimed
	draft       *billing.Invoice // as read before any line was added; nil if it was not read then
	planChecked bool             // this session made the manifest, or compared it with the draft

	added            int  // the record's cursor, or one more if the line at the cursor was added since. Credits after the last charge do not count
	linesSeen        bool // the added lines were compared with an invoice at Chargebee
	answerIncomplete bool // a response lacked an added line
}

// errReload ends a step: run continues with the step of the record's state. It is returned if the record
// changed, if a call must be decided again, or if Chargebee is over its limit.
var errReload = errors.New("settlement: continue with the changed record")

// record returns the record as this session last read or wrote it.
func (s *session) record() billing.Record { return s.lease.current() }

// settle acquires the record, and settles the invoice unless it is finished.
func (s *session) settle(ctx context.Context, delivery *queue.Delivery) error {
	if err := s.checkClock(); err != nil {
		return err
	}
	if err := s.acquire(ctx); err != nil {
		return err
	}
	if s.record().State == billing.Finished {
		s.report.Repeated = true
		return nil
	}
	delivery.SetHeartbeat(s.lease.heartbeat)
	return s.run(ctx)
}

// run executes the steps of the states until the invoice is finished or rejected. A rejection is written to the
// record; any other error ends the session.
func (s *session) run(ctx context.Context) error {
	err := s.checkLimits()
	if err == nil {
		err = s.loadManifest(ctx)
	}
	if err := s.recordRejection(ctx, err); err != nil {
		return err
	}
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		record := s.record()
		if record.State == billing.Finished || record.State == billing.Rejected && !s.recheck {
			return nil
		}
		err := s.step(ctx, record.State)
		if errors.Is(err, errReload) {
			continue
		}
		if err := s.recordRejection(ctx, err); err != nil {
			return err
		}
	}
}

// step executes the step of a state.
func (s *session) step(ctx context.Context, state billing.State) error {
	switch state {
	case billing.Rejected:
		return s.resume(ctx)
	case billing.Claiming:
		return s.claim(ctx)
	case billing.Charging:
		return s.charge(ctx)
	case billing.Closing:
		return s.closeInvoice(ctx)
	case billing.Settling:
		return s.bill(ctx)
	case billing.Releasing:
		return s.release(ctx)
	default:
		return fmt.Errorf("the record of %s has the unknown state %q", s.invoice.ID, state)
	}
}

// checkLimits rejects a message that is too old, or an invoice with too many attempts.
func (s *session) checkLimits() error {
	record := s.record()
	if age := s.Now().Sub(s.sentAt); !s.sentAt.IsZero() && age >= MaxAge {
		return &billing.Rejection{Reason: billing.TooOld, Detail: fmt.Sprintf("the message is %s old", age.Round(time.Hour))}
	}
	if record.Attempts > s.Settings.MaxAttempts {
		return &billing.Rejection{
			Reason: billing.AttemptsExhausted,
			Detail: fmt.Sprintf("%d sessions without progress, the last one: %s", record.Attempts-1, record.Detail),
		}
	}
	return nil
}

// outcome returns what the queue must do with the message after a session that ended with err. It releases
// the lease of a session that was deferred.
func (s *session) outcome(ctx context.Context, err error) queue.Outcome {
	record := s.record()
	s.report.recordEnd(record, err)
	switch {
	case err == nil && record.Replanned():
		s.report.DeferReason = record.Detail
		// The released events must be in the index when the next session begins a new epoch (decideAcquire).
		return queue.Outcome{Action: queue.Retry, Delay: indexDelay + s.Settings.MaxSkew + time.Second}
	case err == nil && record.State == billing.Rejected:
		return queue.Outcome{Action: queue.DeadLetter, Reason: string(record.Reason), Detail: record.Detail}
	case err == nil:
		return queue.Outcome{Action: queue.Ack}
	case errors.Is(err, billing.ErrFenced):
		return queue.Outcome{Action: queue.Retry, Delay: retry.Jitter(attemptBackoff.First, 0.5)}
	}
	deferred := toDeferral(ctx, err)
	if deferred.countsAttempt {
		deferred.delay = attemptBackoff.Jittered(max(record.Attempts, 1))
	}
	s.releaseLease(ctx, *deferred)
	return queue.Outcome{Action: queue.Retry, Delay: deferred.delay}
}

// toDeferral returns the deferral in err, or else one that counts as an attempt. A session that was stopped is
// deferred without delay.
func toDeferral(ctx context.Context, err error) *deferral {
	if ctx.Err() != nil {
		return &deferral{reason: "the session was stopped"}
	}
	if deferred, ok := errors.AsType[*deferral](err); ok {
		return deferred
	}
	return &deferral{reason: err.Error(), countsAttempt: true}
}

// releaseLease ends the lease, so that the next session need not wait for its expiry. It takes the attempt
// back that applyAcquire counted, unless the deferral counts as one.
func (s *session) releaseLease(ctx context.Context, deferred deferral) {
	if s.record().Owner == "" {
		return
	}
	// If the write fails, the lease expires.
	_ = s.lease.commit(ctx, func(step *billing.Step) {
		endLease(&step.Record)
		s.applyProgress(step)
		switch {
		case !deferred.countsAttempt:
			step.Record.Attempts = max(step.Record.Attempts-1, 0)
		case !isRejecting(step.Record):
			step.Record.Detail = billing.CutBytes(deferred.reason, maxDetail)
		}
	})
}
