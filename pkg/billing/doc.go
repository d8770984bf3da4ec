// Package billing holds the terms and the rules of billing: billable events and what makes one
// unbillable (event.go, eventcheck.go), how they fold into the lines of a plan (fold.go,
// plan.go), what an invoice was when its events were claimed (manifest.go), how lines are
// recognised on an invoice (recognize.go) and what follows from what was found (verdict.go), the
// head of an invoice in the ledger (head.go), the identity of every call to Chargebee
// (identity.go), and the kinds in which a call can fail (failure.go). Everything here is pure:
// no I/O, no clock.
//
// Amounts are exact: decimals while events are summed, integers in the unit that Chargebee
// counts for the currency from the rounding of a line on.
package billing
