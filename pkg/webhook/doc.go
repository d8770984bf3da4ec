// Package webhook is the HTTP side of the receiver. [Handler] authenticates a webhook,
// validates it, enqueues it and responds; [Server] is its HTTP server.
//
// Steps, each of which can end the request with an httpError:
//
//	path, method → requests in flight → credentials → content type → body → event → enqueue
//
// Invariants: a 200 means that the queue has stored the event, or that its type is ignored.
// A transient failure is a 503 with Retry-After, so that Chargebee sends the webhook again.
// Requests, bodies and connections are limited before memory is used for them.
// https://www.chargebee.com/docs/billing/2.0/site-configuration/webhook_settings
package webhook
