// Package chargebee is a local stand-in for the part of Chargebee's API v2 that
// Billable uses: pending invoices, their charges and their closing, in both
// product catalogs, and the events and webhooks that announce them.
//
// A Service is one site. It is an http.Handler that answers under /api/v2 as
// the documentation says, in the documentation's words:
//
//	authenticate → rate and concurrency limits → fault → maintenance → idempotency key → parameters → lock of the invoice → effect
//
// All that can go wrong is drawn from Config.Faults or set: every documented
// refusal (see Documented), answers of gateways (see Page), lost and late
// effects, GETs that lag behind, failing payments, maintenance. The same seed
// and the same order of calls give the same ids and the same answers.
//
// Deliver sends its webhooks, with Chargebee's schedule of retries. Methods
// such as EditLine and CloseInvoice are what people do in Chargebee's own
// pages, beside all API calls.
//
// Where the documentation is silent the stand-in takes the side that is harder
// for a client, and says so at the place: a key is remembered from its arrival
// on, rejected calls count for the rate limit, an unknown parameter is refused.
//
// https://apidocs.chargebee.com/docs/api
package chargebee
