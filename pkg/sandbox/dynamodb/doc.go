// Package dynamodb is a local Amazon DynamoDB: tables behind an http.Handler
// that speaks the AWS JSON protocol and answers as AWS documents it.
//
// What it holds is in memory. A table and each of its indexes is one ordered
// tree of rows (place.go says in which order), so a query is a range of it, a
// scan all of it, and either way a page ends and begins again at a key. Rows
// are immutable: a write plans the new item from the old one, and only when the
// whole call is found good are rows replaced.
//
// Every call takes effect in one critical section, under one mutex that is
// never held while waiting. Time is read from an injected clock and nothing runs
// in the background: items past their time to live stay until Sweep, changes
// reach an index when they are due (Config.IndexLag) and it is read.
//
// Faults come in the service's own words. Throttle is a ThrottlingException or a
// ProvisionedThroughputExceededException. Refuse and EffectThenError are an
// InternalServerError; with Choice 1 an InternalFailure, with Choice 2 a 503 without
// an error code. Partial leaves entries of a batch
// unprocessed; a single write or a transaction collides with another transaction
// (TransactionConflict, or TransactionInProgressException under a token). Lag makes
// a read that is not consistent, or of an index, see what was a while ago. A hot
// partition is no fault but a setting, Config.PartitionWrites.
//
// Not here: the parameters that expressions have replaced, local secondary
// indexes, PartiQL, streams, backups' contents, policies (what is not allowed,
// Config.Denied says), and the throughput of whole tables, which faults inject
// instead.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/Welcome.html
package dynamodb
