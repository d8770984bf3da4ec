// Package sqsqueue puts Amazon SQS behind what the use cases need of a queue: Sender
// takes messages, Queue gives them out, DeadLetters keeps those that cannot be
// handled, Health says whether a queue answers.
//
// Sends and deletes are group commits: concurrent callers share the batches of SQS,
// and each gets the outcome of its own entry.
//
// Queues are standard ones. Delivery is at least once, and a send whose reply was
// lost is repeated: the same event can be in the queue twice.
package sqsqueue
