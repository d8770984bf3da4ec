// Package settlement bills one pending invoice per message, exactly once.
//
//	claiming ─▶ charging ─▶ closing ─▶ settling ─▶ done (closed | left_open | empty | gone)
//	    │           │           │          │
//	    ├─▶ releasing ─▶ rejected ◀────────┘
//	    └───────────────▶ rejected
//
// A handling takes the head of the invoice in the ledger (take.go), claims the
// unbilled events of its subscriptions in pages (claim.go), folds them into a plan,
// adds its lines to the invoice one call each (charge.go), closes the invoice
// (close.go) and marks the events as billed (bill.go). Whatever was begun is in the
// ledger before it is done, so that any other handling can go on from any point.
//
// What may have happened at Chargebee is never guessed: a line whose call went
// unanswered is in doubt (doubt.go) until Chargebee says where it stands, answers
// are checked for what they must show (verify.go), and a draft that is gone is
// judged by its successor (gone.go). What cannot be billed is rejected for a person
// to look at (reject.go).
//
// An operator can have the claims of a rejected invoice released (release.go, releasable.go):
// once nothing that was sent can appear anymore, under a fence, and by what then stands at
// Chargebee. A preview (preview.go) says what a message would do, and writes nothing.
//
// Decisions are pure functions: decideTaking, decideRemedy, decideCourse (what
// follows from a failed call), decideRelease, decideDraft, billing.Judge, billing.Fold. All writes of one handling
// go through its lease (lease.go), each conditioned on the one before.
package settlement
