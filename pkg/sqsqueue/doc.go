// Package sqsqueue implements queues on Amazon SQS.
//
//	Sender       sends messages; it also redrives dead letters
//	Queue        receives, extends and deletes messages
//	DeadLetters  is the dead-letter queue: it sends to it and browses it
//	Health       reports whether a queue responds
//	Describe     reads how a queue is configured, Probes the caller's permissions
//
// Concurrent sends and deletes share SQS batches (see batcher), and each caller gets the
// result of its own entry.
//
// Invariants: Send returns nil only if SQS has stored the message. Queues are standard
// queues: delivery is at least once, and a send without a response is repeated, so an event
// can be in the queue twice.
package sqsqueue
