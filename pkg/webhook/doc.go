// Package webhook is the HTTP side of the receiver. [Handler] authenticates a webhook,
// validates it, enqueues it and responds; [Server] is its HTTP server.
//
// A request is checked in this order. The first failed check ends it with an httpError:
//
//	path, method → requests in flight → credentials → content type → body → event → enqueue
//
// Invariants: a 200 means that the queue has stored the event, or that its type is ignored.
// A transient failure is a 503 with Retry-After, so that Chargebee sends the webhook again.
// The numbers of connections, of requests and of bytes of their bodies are limited.
// https://www.chargebee.com/docs/billing/2.0/site-configuration/webhook_settings
package webhook
