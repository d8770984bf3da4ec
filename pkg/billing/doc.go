// Package billing holds the terms and rules of billing, as pure functions without I/O and clock:
//
//	Event       a billable event, validated (event.go, eventcheck.go)
//	Aggregator  sums events into the lines of a Plan (aggregate.go, plan.go)
//	Manifest    the invoice at the beginning of an epoch (manifest.go)
//	LineID      markers and idempotency keys (identity.go)
//	Recognize   finds the lines of a plan on an invoice (recognize.go)
//	Reconcile   decides what became of the lines of a draft that is no longer pending (reconcile.go)
//	Record      the state of an invoice in the ledger (record.go), and Step, its atomic change (step.go)
//	Charge      requests to Chargebee (charge.go), and Failure, a failed call (failure.go)
//	Reason      why a message was rejected (reason.go)
//
// Amounts are exact: decimals while events are summed, and integers in minor units of the currency
// once a line is rounded.
//
// The ledger stores Manifest, InvoiceLine, Event and Line as JSON (package dynamostore). Their tags must not
// change, because later versions of the program read invoices in progress.
package billing
