// Package reconcile compares what Chargebee, the ledger, the queues and the events table hold.
//
// [Sweeper.Run] is one sweep. It enqueues pending invoices whose webhook never arrived or whose
// message is lost, and reports claims and events that nothing bills:
//
//	pending invoice at Chargebee   record in the ledger               result
//	older than OlderThan           none                               enqueued: never_begun
//	any                            unfinished, idle beyond MaxIdle    enqueued: left_behind
//	any                            finished, or still in progress     skipped, with a reason
//
// It also reports invoices that were voided or deleted after their events were billed.
//
// A sweep never charges anything. To enqueue an invoice twice is harmless, because the ledger decides
// which session bills it. A part that fails does not prevent the others.
package reconcile
