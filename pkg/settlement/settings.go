package settlement

import (
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/retry"
)

// MaxAge is the age at which a message is rejected. SQS deletes it at 7 days.
const MaxAge = 6 * 24 * time.Hour

// SQS moves a message to the dead-letter queue, without a reason, after maxReceiveCount receives
// (1000 is recommended). From manyReceives receives on, a message is therefore deferred by at least
// rareDelay: then it reaches MaxAge, and is rejected with its reason, before it reaches MinReceives.
const (
	manyReceives = 50
	rareDelay    = 570 * time.Second
)

// MinReceives is the smallest maxReceiveCount of the queue with which a message is rejected as too
// old before SQS moves it.
const MinReceives = manyReceives + int(MaxAge/rareDelay) + 1

// retention is the time for which the items of a finished invoice are kept. It exceeds the time for which
// Chargebee repeats webhooks and queues keep messages, replays included.
const retention = 90 * 24 * time.Hour

// attemptBackoff is the delay after a session without progress.
var attemptBackoff = retry.Backoff{First: 5 * time.Second, Max: 15 * time.Minute}

// Settings are the rules of settlement that an operator can set.
type Settings struct {
	Lease             time.Duration // how long a lease lasts without being renewed
	CallTimeout       time.Duration // of one call to Chargebee
	MaxEffectDelay    time.Duration // a call takes effect within this time, or never
	IdempotencyWindow time.Duration // how long Chargebee remembers an idempotency key
	MaxSkew           time.Duration // between the clocks of any two processes
	MaxAttempts       int           // sessions without progress before a message is rejected

	Close              bool  // close the invoice once it is charged
	CloseWithoutEvents bool  // close it also if there was nothing to charge
	MaxAmount          int64 // maximum charge of one plan in minor units; 0 is no limit

	TrustWebhook bool // make the manifest of a complete webhook instead of reading the invoice

	Catalog billing.Catalog // the products of charge codes in new plans
}

// missingConfirmedAt returns the time from which reads show what became of a draft that was missing first at
// record.MissingSince.
func (s Settings) missingConfirmedAt(record billing.Record) time.Time {
	// MissingSince is rounded down to seconds.
	return time.Unix(record.MissingSince+1, 0).Add(s.MaxEffectDelay + s.MaxSkew)
}

// resendLimit returns the maximum time after the first call for a line in which it may be sent again. A call
// takes effect within MaxEffectDelay, and its effect must be visible, MaxEffectDelay later, before Chargebee
// forgets the key.
func (s Settings) resendLimit() time.Duration {
	return s.IdempotencyWindow - 2*s.MaxEffectDelay - s.MaxSkew //mutant:send-until
}

// leavesOpen reports whether an invoice is left open after these lines were charged.
func (s Settings) leavesOpen(lines []billing.Line) bool {
	return !s.Close || len(lines) == 0 && !s.CloseWithoutEvents
}

// minLeaseForPermit returns the minimum remaining time of the lease when a permit is acquired. It exceeds the
// time of a call: the lease need not be renewed between permit and call.
func (s Settings) minLeaseForPermit() time.Duration { return s.CallTimeout * 3 / 2 }

// MaxIdle returns how long the record of an unfinished invoice may stay unchanged while there is a message for
// it: the longest delay of a message, and a lease. It is longer only while no consumer receives messages, or if
// Chargebee asks for longer delays.
func (s Settings) MaxIdle() time.Duration {
	keyExpiry := s.IdempotencyWindow + s.MaxEffectDelay + s.MaxSkew
	return max(keyExpiry, attemptBackoff.Max, rareDelay) + s.MaxSkew + s.Lease
}
