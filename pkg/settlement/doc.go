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
//	cursor       the index of the first line that was not added, or is in doubt
//	draft        the invoice while it is pending
//	final        the invoice that the draft becomes when it is closed, perhaps with another id
//	missing      the draft does not exist or is not pending: it was closed, voided or deleted
//	disposition  what became of a line: charged, not charged, or unknown
//
// # States
//
// A session (session.go) acquires the record of the invoice, and executes the step of its state until
// the invoice is finished or rejected:
//
//	claiming ─▶ charging ─▶ closing ─▶ settling ─▶ done (closed | left_open | empty | gone)
//
//	charging ─▶ settling             the invoice is left open, has no line, or is missing
//	claiming, charging ─▶ releasing  the invoice is rejected, or changed, before any line was sent
//	releasing ─▶ rejected            the next message begins a new epoch
//	other states ─▶ rejected         the next message resumes the state
//	done ─▶ releasing ─▶ done        an operator releases a voided or deleted invoice (released)
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
//   - Every write of a session is conditioned on its previous write. A session that lost its lease can
//     change nothing in the ledger.
//   - Only the id of the invoice in a message is used, unless Settings.TrustWebhook is set: a message may
//     be stale, incomplete or forged. A plan made by another session is compared with the draft before the
//     first charge. If the draft changed, the claims are released and the invoice is planned again.
//   - A line counts as absent only if it is not on an invoice that was read with all its lines.
//
// # A call in doubt
//
// A line whose call had an unknown outcome is in doubt (doubt.go). s is the time of its first send,
// window is how long Chargebee remembers its idempotency key, delay is the maximum effect delay, and
// skew the maximum difference between clocks. With another API key than at s the call is not repeated.
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
// was sent can appear anymore, and the events of a finished invoice that was voided or deleted. Preview
// (preview.go) and PredictReplay (predict.go) show what a message would do, and write nothing.
//
// Decisions are pure functions, for example decideAcquire, decideDoubt, decideRecovery (what follows from a
// failed call), decideRelease, decideDraft, billing.Reconcile and billing.Recognize.
//
// A comment //mutant:<name> marks a statement that enforces a rule. The mutation tests of package simulation
// change it, and fail if no scenario detects the change.
package settlement
