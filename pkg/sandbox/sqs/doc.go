// Package sqs is a local Amazon SQS: standard queues behind an http.Handler
// that speaks the AWS JSON protocol and answers as AWS documents it.
//
// Where the documentation leaves room, the service takes the strict side, so
// that a program which is right here is right there: counts are exact, changes
// of attributes take effect at once, a purge or a deleted queue is gone when
// the call returns. What AWS does only rarely (duplicates, lost answers,
// entries of a batch that fail) is injected by faults instead of chance.
// Duplicate hands a message out again while it is in flight, DeliverLate lets
// messages become visible late and out of order; both are drawn by the queue's seed.
//
// All state is in memory, under one mutex that is held for map, list and heap
// operations only. Time is read from an injected clock; a waiting poll is woken
// by channel and timer, so the service runs in real time and in the virtual
// time of a testing/synctest bubble alike.
//
// Not here: FIFO queues, the query protocol, policies (what is not allowed,
// Config.Denied says), encryption (its attributes are kept, nothing is encrypted)
// and the preference that fair queues give to quiet groups.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/Welcome.html
package sqs
