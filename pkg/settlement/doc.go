// Package settlement bills one pending invoice per message, exactly once.
//
//	claiming ─▶ charging ─▶ closing ─▶ settling ─▶ done (closed | left_open | empty | gone)
//	    │           │           │          │
//	    ├─▶ releasing ─▶ rejected ◀────────┘
//	    └───────────────▶ rejected
//
// A handling takes the head of the invoice in the ledger (take.go), reads the invoice at
// Chargebee (begin.go, reads.go), claims the unbilled events of its subscriptions in pages
// (claim.go), folds them into a plan, adds its lines to the invoice one call each (charge.go),
// closes the invoice (close.go) and marks the events as billed (bill.go). Every step is in the
// ledger before it is done, so that any other handling can go on from any point.
//
// Of a message only the invoice's id is believed: it may be stale, incomplete or forged. A plan
// is made from the draft as Chargebee shows it, and compared with the draft once more before
// the first charge where another handling made it. If the draft changed, the claims are
// released and the invoice is planned again.
//
// A line whose call had an unknown outcome is in doubt (doubt.go). With s the time of its first
// send, window the time for which Chargebee remembers an idempotency key, and late the time
// within which a call has its effect:
//
//	s ──────────────────────▶ s + window − 2·late − skew ──────▶ s + window ──────▶
//	   the same call is sent again   nothing is sent     the draft is read: the line is there,
//	   under the same key            and nothing read    or was never added, and is sent
//
// Answers are checked for what they must show (verify.go). A draft that is gone is decided by
// the invoice that it became (gone.go). No decision follows from a part of an invoice's lines:
// an invoice that cannot be read to its end defers the message. What cannot be billed is
// rejected for an operator to look at (reject.go).
//
// An operator can have the claims of a rejected invoice released (release.go, releasable.go):
// once nothing that was sent can appear anymore, under a fence, and by what Chargebee shows
// then. A preview (preview.go) shows what a message would do, and writes nothing.
//
// Decisions are pure functions: decideTaking, decideRemedy, decideCourse (what follows from a
// failed call), decideRelease, decideDraft, billing.Judge, billing.Recognize, billing.Fold. All
// writes of one handling go through its lease (lease.go), each conditioned on the one before.
package settlement
