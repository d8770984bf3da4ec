// Package chargebee is an in-memory fake of the part of Chargebee's API v2 that
// Billable uses: pending invoices, their charges and their close, in both
// product catalogs, and the events and webhooks about them.
//
// A Service is one site. It is an http.Handler that serves /api/v2. A call
// passes these steps:
//
//	authenticate → rate and concurrency limits → fault → idempotency key → parameters → lock of the invoice → effect
//
// Faults are drawn from Config.Faults or set: every documented refusal (see
// Documented), answers of gateways (see Page), lost and late effects, GETs that
// lag behind, failing payments. The same seed and the same order
// of calls give the same ids and the same answers.
//
// Deliver sends the webhooks, with Chargebee's schedule of retries. Methods
// such as EditInvoice, EditLine and CloseInvoice are manual edits in Chargebee's
// user interface, without API calls.
//
// Calls and parameters that Billable does not use are refused as unknown, among them the API
// of events, deletions, descending lists, and filters other than those of listParameters.
//
// # Documented behaviour
//
// The fake follows the documentation in these points, without a switch:
//
//   - Parameters, their limits, and the errors with their status and code.
//   - line_items_offset takes only the opaque line_items_next_offset of an
//     earlier answer; the lines end where that attribute is absent.
//   - Lists are sorted by created_at, ascending, unless sort_by is given, and
//     leave deleted invoices out unless include_deleted is given.
//   - A closed invoice has a new id. The draft is deleted without an event.
//   - An idempotency key is remembered for 30 minutes. With other parameters it
//     is refused with 422. A repeated answer has the header
//     chargebee-idempotency-replayed.
//   - Amounts are at most 2^53-1. Currencies without decimal places count in
//     the major unit, all others in hundredths, also those with three places.
//   - Webhooks are retried seven times, and can arrive twice and out of order.
//
// # Undocumented behaviour
//
// Each point that the documentation leaves open has a switch in Config. By default, calls
// that the documentation does not cover are refused. docs/conformance.md lists the points.
//
// Three undocumented points have no switch: a key is remembered from the arrival
// of its first call, rejected calls count for the rate limit, and an unknown
// parameter is refused.
//
// https://apidocs.chargebee.com/docs/api
package chargebee
