// Package sqs is an in-memory fake of Amazon SQS: standard queues behind an http.Handler
// that implements the AWS JSON protocol as AWS documents it. Package sqstest checks it.
//
// Where the documentation leaves room, the fake is strict, so that a program that works with
// it works with AWS: counts are exact, changes of attributes and deletions take
// effect when the call returns. What AWS does rarely (duplicates, lost responses, entries of
// a batch that fail) is injected by faults. Duplicate delivers a message again while it is
// in flight; DeliverLate makes messages visible late and out of order. The seed of the queue
// draws both.
//
// All state is in memory, under one mutex that is held for map, list and heap
// operations only. Time is read from an injected clock; a waiting poll is woken
// by channel and timer, so the service runs in real time and in the virtual
// time of a testing/synctest bubble alike.
//
// Emulated: creating, listing, purging and deleting queues, their attributes, sending,
// receiving (long polls included), deleting and changing visibility, single and in batches,
// dead-letter queues, and StartMessageMoveTask.
//
// Not emulated: FIFO queues, the query protocol, prefixes of attribute names,
// policies (Config.Denied replaces them), encryption (its attributes are kept), tags, system
// attributes of senders, listing and cancelling move tasks, and the preference that fair
// queues give to quiet groups.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/Welcome.html
package sqs
