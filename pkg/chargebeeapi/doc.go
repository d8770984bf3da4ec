// Package chargebeeapi calls Chargebee: a [Client] adds charges to pending invoices, closes them
// and reads invoices. Its errors are *billing.Failure, whose Kind states whether the call was executed
// (see kindOf), except if the permit had expired or the context had ended before the call was sent (see
// call). Only this package uses chargebee-go.
//
// The SDK only builds the request: path, form and headers. A transport of this package sends the
// request and reads the response, because the SDK
//
//   - keeps its HTTP client, environment and timeout in package variables, so that one process
//     could not call two sites;
//   - hides status and headers of an error response, and returns a made-up status if it is not JSON;
//   - retries calls, with sleeps that ignore the context, and follows redirects, also of a POST;
//   - reads responses without a limit, and panics ({"customer":null}, a list without "list") or
//     fails (a quantity above 32 bits) on responses to calls that were executed.
//
// The steps of a call:
//
//	Client.AddCharge, …    puts an exchange (client, permit, place for the response) into the context
//	SDK                    builds the request for a placeholder host
//	transport.RoundTrip    spends the permit, sends the request to the site, stores the response
//	SDK                    decodes an empty response
//	evaluate               decodes the stored response, or classifies the error
//
// A call is sent at most once. Only settlement, which reads the ledger, may repeat it.
//
// https://apidocs.chargebee.com/docs/api
package chargebeeapi
