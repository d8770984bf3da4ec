package settlement

import (
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/retry"
)

// MaxAge is the age at which a message is rejected. SQS deletes it at 7 days.
const MaxAge = 6 * 24 * time.Hour

// SQS moves a message to the dead-letter queue, without a reason, after maxReceiveCount receives. So after manyReceives
// receives a message is deferred by at least manyReceivesDelay: it reaches MaxAge, and is rejected with a reason, before
// it was received MinReceives times. That is 960, below the recommended maxReceiveCount of 1000.
const (
	manyReceives      = 50
	manyReceivesDelay = 570 * time.Second
)

// MinReceives is the minimum maxReceiveCount of the queue: with it, a message is rejected as too old before
// SQS moves it.
const MinReceives = manyReceives + int(MaxAge/manyReceivesDelay) + 1

// retention is the time for which the items of an epoch are kept after its events were billed or released. It exceeds the time for which
// Chargebee repeats webhooks and queues keep messages, replays included.
const retention = 90 * 24 * time.Hour

// attemptBackoff is the delay after a failed session (deferral.countsAttempt).
var attemptBackoff = retry.Backoff{First: 5 * time.Second, Max: 15 * time.Minute}

// Settings are the rules of settlement that an operator can set.
type Settings struct {
	Lease             time.Duration // how long a lease lasts without being renewed
	CallTimeout       time.Duration // maximum time of one call to Chargebee
	MaxEffectDelay    time.Duration // a call takes effect within this time, or never
	IdempotencyWindow time.Duration // how long Chargebee remembers an idempotency key
	MaxSkew           time.Duration // maximum difference between the clocks of any two processes
	MaxAttempts       int           // maximum number of consecutive sessions without progress

	Close              bool  // close the invoice once it is charged
	CloseWithoutEvents bool  // with Close: also close an invoice that no events were claimed for
	MaxAmount          int64 // maximum total charge of one plan in minor units; 0 is no limit

	TrustWebhook bool // make the manifest from a complete webhook, and do not read the invoice

	Catalog billing.Catalog // the products of charge codes in new plans
}

// missingConfirmedAt returns the time from which reads show what became of a draft that is missing since
// record.MissingSince.
func (s Settings) missingConfirmedAt(record billing.Record) time.Time {
	// MissingSince is rounded down to seconds.
	return time.Unix(record.MissingSince+1, 0).Add(s.MaxEffectDelay + s.MaxSkew)
}

// resendLimit returns the maximum time between the first and a repeated call for a line. A call takes effect
// within MaxEffectDelay, and is visible MaxEffectDelay later: that must be before Chargebee forgets the key.
func (s Settings) resendLimit() time.Duration {
	return s.IdempotencyWindow - 2*s.MaxEffectDelay - s.MaxSkew //mutant:send-until
}

// leavesOpen reports whether an invoice is left open after the lines of its plan were added.
func (s Settings) leavesOpen(lines []billing.Line) bool {
	return !s.Close || len(lines) == 0 && !s.CloseWithoutEvents
}

// minLeaseForPermit returns the minimum remaining time of the lease before the permit of a resend or a close is acquired.
// It exceeds CallTimeout, so that the lease is rarely renewed between permit and call.
func (s Settings) minLeaseForPermit() time.Duration { return s.CallTimeout * 3 / 2 }

// MaxIdle returns how long the record of an unfinished invoice stays unchanged while a message for it exists:
// at most the longest delay of a message, and a lease. It stays longer while no consumer receives messages, or
// if Chargebee asks for longer delays.
func (s Settings) MaxIdle() time.Duration {
	longestDelay := s.IdempotencyWindow + s.MaxEffectDelay + s.MaxSkew // above those of deferUntilKeyExpires and missingConfirmedAt
	return max(longestDelay, attemptBackoff.Max, manyReceivesDelay) + s.MaxSkew + s.Lease
}
