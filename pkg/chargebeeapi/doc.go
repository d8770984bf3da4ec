// Package chargebeeapi is Chargebee as the use cases see it: it adds charges to
// pending invoices, closes them and reads invoices, and says once, here, what each
// answer means (see kindOf). It is the only place that knows chargebee-go and its
// traps.
//
// What the SDK is trusted with is to build a request: path, form, headers. The rest
// goes through a transport of this package, because the SDK
//
//   - keeps its HTTP client, environment and time-out in package variables, so that
//     two sites could not be called from one process;
//   - hides status and headers of a refusal, and invents a status for one that is
//     not JSON;
//   - can send a request again by itself, asleep in between and deaf to its context,
//     and follows redirects with whatever it was told to send;
//   - reads answers without a limit, panics on some of them ({"customer":null}, a
//     list without "list") and gives up on others (a quantity above 32 bits),
//     although the charge stands on the invoice by then.
//
// So each call carries its Client, its permit and a place for the answer in the
// context of its request. The transport spends the permit, sends the request to the
// client's own site over the client's own connections, and keeps status, headers and
// body, from which the answer is read. The SDK gets to see an empty answer. A call is
// sent once at most, whatever happens: to repeat it is for those who know the ledger.
//
// https://apidocs.chargebee.com/docs/api
package chargebeeapi
