// Package webhook is the HTTP side of the receiver: it authenticates a webhook, checks
// it, puts it into a queue, and answers. A request is answered with success only once
// the queue has its event; what may pass is answered 503, so that Chargebee sends it
// again.
// https://www.chargebee.com/docs/billing/2.0/site-configuration/webhook_settings
//
// A request is checked in a fixed order, each step in a file of its own: path and
// method, requests in flight, credentials, content type, size, JSON and fields. A step
// returns a refusal, and one place makes an answer of it.
package webhook
