// Package reconcile compares what Chargebee, the ledger, the queues and the events table hold.
//
// [Sweeper.Run] is one sweep. It enqueues pending invoices whose webhook never arrived or whose
// message is lost, and reports claims and events that nothing bills:
//
//	record in the ledger                      a pending invoice is
//	none, invoice younger than OlderThan      skipped
//	none, invoice older                       enqueued: NeverStarted
//	unfinished, unchanged beyond MaxIdle      enqueued: Abandoned
//	unfinished, changed since                 skipped
//	rejected                                  skipped: an operator handles its dead letter
//	finished                                  skipped, with a finding if it should be closed
//
// It also reports invoices that were voided or deleted after their events were billed.
//
// A sweep never charges anything. To enqueue an invoice twice is harmless, because the ledger decides
// which session bills it. If a part of the sweep fails, the other parts still run.
package reconcile
