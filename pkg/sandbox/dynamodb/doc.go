// Package dynamodb is an in-memory fake of Amazon DynamoDB: tables behind an http.Handler
// that implements the AWS JSON protocol as AWS documents it. Package dynamodbtest checks it.
//
// A table and each of its indexes is one ordered tree of rows (see place for the order): a
// query reads a range of it, a scan all of it, and pages end and continue at a key. Rows are
// immutable: a write plans the new item from the old one, and rows are replaced only when
// the whole call is valid.
//
// Every call takes effect in one critical section, under one mutex that is
// never held while waiting. Time is read from an injected clock and nothing runs
// in the background: items past their time to live stay until Sweep, changes
// reach an index when they are due (Config.IndexLag) and it is read.
//
// Faults have the errors of the service. Throttle is a ThrottlingException or a
// ProvisionedThroughputExceededException. Refuse and EffectThenError are an
// InternalServerError; with Choice 1 an InternalFailure, with Choice 2 a 503 without
// an error code. Partial leaves entries of a batch
// unprocessed; a single write or a transaction collides with another transaction
// (TransactionConflict, or TransactionInProgressException under a token). Lag makes
// a read that is not consistent, or of an index, see what was a while ago. A hot
// partition is a setting and not a fault, Config.PartitionWrites.
//
// Emulated: creating, updating, describing, listing and deleting tables with global
// secondary indexes, time to live, deletion protection, and the operations on items with
// their expressions: single ones, Query, Scan, BatchWriteItem and TransactWriteItems.
//
// Not emulated, and refused: BatchGetItem, TransactGetItems, legacy parameters, binary keys,
// local secondary indexes, the projection type INCLUDE, pages of ListTables, changes of the
// billing mode, parallel scans, PartiQL, streams, backups, and in expressions paths into maps
// and lists, and the functions list_append, size and attribute_type. Not emulated, and
// ignored: consumed capacity, policies (Config.Denied replaces them), and the throughput of
// whole tables, which faults inject instead.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/Welcome.html
package dynamodb
