// Package deadletter lists, shows, replays and discards dead letters.
//
// A dead letter is a message that was rejected with a reason, or that SQS moved to the dead-letter
// queue. List and Show combine it with the record of its invoice in the ledger. Replayer sends dead
// letters back to the queue, and Discarder archives and deletes them. Both are operations (operation.go)
// that browse the queue until every selected message was processed once.
//
// Browsing receives messages: it increments their receive count and hides them from other readers
// until they are visible again.
package deadletter
