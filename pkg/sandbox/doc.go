// Package sandbox holds what all stand-in services share: the words for faults
// and a transport that calls a handler without a network.
//
// The services themselves live below it: sqs, dynamodb and chargebee are
// http.Handlers that speak the real protocols, reconciliation compares expected
// with actual charges. None of it is ever linked into a production binary.
package sandbox
