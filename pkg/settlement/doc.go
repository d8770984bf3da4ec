// Package settlement bills one pending invoice per message, exactly once.
//
// # Terms
//
//	message      the webhook event of one invoice, from the queue
//	session      the processing of one message under one lease of the invoice's record
//	record       the state of one invoice in the ledger
//	epoch        one round of claiming events for an invoice: a manifest, pages and a plan
//	manifest     the invoice as it was when the epoch began
//	page         claimed events, at most billing.MaxPageEvents
//	plan         the lines that the epoch adds, one for each charge code of a subscription
//	cursor       the number of lines that were added; the line at the cursor may be in doubt
//	draft        the invoice while it is pending
//	final        the invoice that the draft becomes when it is closed, perhaps with another id
//	missing      draft that does not exist, or is not pending: it was closed, voided or deleted
//	disposition  what became of a line: charged, not charged, or unknown
//
// # States
//
// A session (session.go) acquires the record of the invoice, and executes the step of its state until
// the invoice is finished or rejected:
//
//	claiming ─▶ charging ─▶ closing ─▶ settling ─▶ done (closed | left_open | empty | gone)
//	    │           │           │          │
//	    ├─▶ releasing ─▶ rejected ◀────────┘
//	    └───────────────▶ rejected
//
//	acquire.go    acquire the record under a lease (lease.go)
//	manifest.go   read the invoice at Chargebee (reads.go), and make the manifest of a new epoch
//	claim.go      claim the unbilled events in pages, and sum them into the lines of a plan
//	charge.go     add the lines, one call each; verify.go checks the answers
//	close.go      close the invoice
//	bill.go       mark the events as billed, or release them
//	reject.go     reject what cannot be billed, and resume what was rejected
//
// # Invariants
//
//   - Every step is in the ledger before its effect, so that any other session can resume it.
//   - Every write of a session is conditioned on its write before. A session that lost its lease can
//     change nothing.
//   - Only the invoice id of a message is used: a message may be stale, incomplete or forged. A plan
//     made by another session is compared with the draft before the first charge. If the draft
//     changed, the claims are released and the invoice is planned again.
//   - Nothing is decided by a part of an invoice's lines.
//
// # A call in doubt
//
// A line whose call had an unknown outcome is in doubt (doubt.go). s is the time of its first send,
// window is how long Chargebee remembers its idempotency key, delay is the maximum effect delay, and
// skew the maximum difference between clocks:
//
//	s ──────────────────────▶ s + window − 2·delay − skew ──────▶ s + window ──────▶
//	   the call is repeated         nothing is sent           the draft is read: the line is on it,
//	   with the same key            and nothing is read       or was never added and is sent
//
// If the draft is no longer pending, the final invoice decides (missing.go).
//
// # Operators
//
// Release (release.go, releasable.go) releases the claims of a rejected invoice, once nothing that
// was sent can appear anymore. Preview (preview.go) and PredictReplay (predict.go) show what a
// message would do, and write nothing.
//
// Decisions are pure functions: decideAcquire, decideDoubt, decideRecovery (what follows from a failed
// call), decideRelease, decideDraft, billing.Reconcile and billing.Recognize.
//
// A comment //mutant:<name> marks a statement that enforces a rule. The mutation tests of package simulation
// change it, and fail if no scenario detects the change.
package settlement
