// Package worker receives messages from a queue, passes each to a handler, and
// acknowledges, retries or dead-letters it as the handler's outcome asks.
//
// [Pool] is the main type. It acquires a slot before it receives a message, so that no
// message waits in the process. While a handler runs, a heartbeat extends the visibility
// timeout of its message and calls what the handler registered with
// [queue.Delivery.SetHeartbeat]. If either fails, the context of the handler is canceled.
//
// Shutdown has three phases:
//
//	context of Run ends    no further receive; one in progress is awaited, because a
//	                       canceled one can hide messages that no consumer has
//	+ DrainTimeout         contexts of handlers end with ErrShutdownTimeout
//	+ SettleTimeout        contexts of outcomes end; Run returns ErrDeadline
package worker
