// Package billing holds the terms and rules of billing, as pure functions without I/O and clock:
//
//	Event       a billable event, validated (event.go, eventcheck.go)
//	Aggregator  sums events into the lines of a Plan (aggregate.go, plan.go)
//	Manifest    the invoice at the beginning of an epoch (manifest.go)
//	LineID      markers and idempotency keys (identity.go)
//	Recognize   finds the lines of a plan on an invoice (recognize.go)
//	Reconcile   decides what became of the lines of a draft that is no longer pending (reconcile.go)
//	Record      the state of an invoice in the ledger (record.go), and Step, its atomic change (step.go)
//	Failure     a failed call to Chargebee, by kind (failure.go)
//	Reason      why a message was rejected (reason.go)
//
// Amounts are exact: decimals while events are summed, and integers in minor units of the currency
// once a line is rounded.
//
// The JSON form of Manifest, Event and Line is the one that the ledger stores (package dynamostore).
// Invoices in progress are read by later versions: a tag does not change.
package billing
