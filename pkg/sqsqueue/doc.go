// Package sqsqueue implements queues on Amazon SQS.
//
//	Sender       sends messages; it also redrives dead letters
//	Queue        receives, extends and deletes messages
//	DeadLetters  sends messages to the dead-letter queue and browses it
//	Health       reports whether a queue responds
//	Describe     reads the configuration of a queue
//	Probes       tests the caller's permissions on a queue
//
// Concurrent sends and deletes share SQS batches (see batcher), and each caller gets the
// result of its own entry.
//
// Invariant: Send returns a nil error only if SQS has stored the message. A message can be in the queue
// twice: queues are standard queues with at-least-once delivery, and a send without a response is repeated.
package sqsqueue
