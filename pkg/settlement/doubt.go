package settlement

import (
	"context"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
)

// doubtAction is the next action for a line that may or may not be on the invoice.
type doubtAction int

const (
	resendLine    doubtAction = iota // Chargebee remembers the idempotency key: a repeated call has no second effect
	waitForExpiry                    // a repeated call may have a second effect, and a read may be too early
	readBackLine                     // every call for the line took effect or never will: a read decides
)

// decideDoubt decides about a line in doubt. elapsed is the time since the line was first sent. sameAPIKey
// reports whether it was sent with the current API key. Chargebee does not document whether an idempotency
// key is valid for the site or for one API key: a call with another API key may have a second effect.
func decideDoubt(elapsed time.Duration, sameAPIKey bool, settings Settings) doubtAction {
	switch {
	case sameAPIKey && elapsed <= settings.resendLimit(): //mutant:doubt-send-again
		return resendLine
	case elapsed < settings.IdempotencyWindow: //mutant:doubt-wait
		return waitForExpiry
	default:
		return readBackLine
	}
}

// resolveDoubt carries out decideDoubt for the line at the cursor.
func (s *session) resolveDoubt(ctx context.Context) error {
	record := s.record()
	watch := resumeStopwatch(record.SendingSince, s.Now())
	switch decideDoubt(watch.elapsed(s.Now()), s.hasSameAPIKey(), s.Settings) {
	case resendLine:
		return s.resend(ctx, record.Cursor, watch)
	case waitForExpiry:
		return s.deferUntilKeyExpires(record, "a line may have been added")
	default:
		return s.readBack(ctx, record.Cursor)
	}
}

// hasSameAPIKey reports whether the line at the cursor was first sent with the API key of the next call.
func (s *session) hasSameAPIKey() bool {
	return s.record().SentWith == s.Charger.APIKeyID() //mutant:same-api-key
}

// resend sends the line again, with the same idempotency key and the same bytes. Only success ends the
// doubt: a refusal may be the response to a concurrent duplicate, or an old response that is replayed.
func (s *session) resend(ctx context.Context, line int, watch stopwatch) error {
	if err := s.lease.ensure(ctx, s.Settings.minLeaseForPermit()); err != nil {
		return err
	}
	var invoice billing.Invoice
	err := s.call(ctx, s.newLineCall(line, watch, &invoice))
	if failure, ok := asFailure(err); ok { //mutant:resend-failed
		return s.recoverFrom(ctx, opResend, failure)
	}
	if err != nil { //mutant:resend-not-sent
		return err
	}
	s.added = line + 1
	if err := s.saveProgress(ctx); err != nil {
		return err
	}
	return s.verifyLines(ctx, invoice)
}

// readBack looks for the line on the draft. It is called only when no call for the line can take effect anymore.
func (s *session) readBack(ctx context.Context, line int) error {
	draft, err := s.pendingDraft(ctx)
	if err != nil {
		return err
	}
	planned := s.plan.Lines[line]
	found := billing.Recognize(draft, s.plan.Lines, s.manifest.Originals)
	switch count := found.Counts[line]; {
	case count == 1:
		s.added = line + 1
		return s.saveProgress(ctx)
	case count > 1:
		return errDuplicate(planned, count, draft.ID)
	case found.Resembles(line): //mutant:doubt-resembles
		return &billing.Rejection{
			Reason: billing.AmbiguousLine,
			Detail: fmt.Sprintf("%s has a line that may be the line of %s %s after a manual edit: restore it or remove it, then replay", draft.ID, billing.FormatAmount(planned.Amount, s.manifest.CurrencyCode), planned.Identity()),
		}
	default:
		// The line was not added: it is sent as for the first time. The attempts are not reset, because
		// the session made no progress.
		return s.lease.commit(ctx, func(step *billing.Step) {
			step.Record.SendingSince, step.Record.InDoubt = 0, false
		})
	}
}
