// Package worker receives messages from a queue, passes each to a handler, and
// acknowledges, retries or dead-letters it as the handler's outcome asks.
//
// [Pool] is the main type. It acquires a slot before it receives a message, so that no message waits in the
// process. While a handler runs, a heartbeat extends the visibility timeout of its message and calls the
// function that the handler passed to [queue.Delivery.SetHeartbeat]. The context of the handler is canceled
// if the message becomes visible to other consumers or that function fails.
//
// Shutdown has three phases. Run returns earlier if all handlers have ended:
//
//	context of Run ends    no further receive; Run waits for a running one, because a
//	                       canceled receive can hide messages that no consumer has
//	+ DrainTimeout         contexts of handlers end with ErrShutdownTimeout
//	+ SettleTimeout        contexts of outcomes end; Run returns ErrDeadline
package worker
