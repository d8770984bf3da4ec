// Package deadletter lists, shows, replays, discards and restores dead letters.
//
// A dead letter is a message that was rejected with a reason, or that SQS moved to the dead-letter
// queue. List and Show combine it with the record of its invoice in the ledger. Replayer sends dead
// letters back to the queue that they come from. Discarder archives and deletes them. Both process each selected
// message at most once (operation.go). Restore sends archived messages to the dead-letter queue.
//
// Browsing receives messages: it increments their receive count, and hides them from other consumers
// while it runs.
package deadletter
