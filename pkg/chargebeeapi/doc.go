// Package chargebeeapi calls Chargebee: a [Client] adds charges to pending invoices, closes them
// and reads invoices. It classifies every response (see kindOf): an error is a *billing.Failure
// whose Kind states whether the call was executed. Only this package uses chargebee-go.
//
// The SDK only builds the request: path, form and headers. A transport of this package sends it,
// because the SDK
//
//   - keeps its HTTP client, environment and timeout in package variables, so that one process
//     could not call two sites;
//   - hides status and headers of an error, and invents a status for one that is not JSON;
//   - retries by itself, sleeping between retries and ignoring the context, and follows redirects
//     with any request;
//   - reads responses without a limit, panics on some of them ({"customer":null}, a list without
//     "list") and fails on others (a quantity above 32 bits), although the charge was added.
//
// The steps of a call:
//
//	Client.AddCharge, …    puts an exchange (client, permit, place for the response) into the context
//	SDK                    builds the request for a placeholder host
//	transport.RoundTrip    spends the permit, sends the request to the site, keeps the response
//	SDK                    decodes an empty response
//	evaluate               decodes the kept response, or classifies the error
//
// A call is sent at most once. Only settlement, which reads the ledger, may repeat it.
//
// https://apidocs.chargebee.com/docs/api
package chargebeeapi
