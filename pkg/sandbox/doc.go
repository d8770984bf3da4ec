// Package sandbox holds what the fakes of SQS, DynamoDB and Chargebee share: the faults that
// can be injected into a call, and a transport that calls a handler without a network.
//
// The fakes are in the packages below it: sqs, dynamodb and chargebee are http.Handlers that
// implement the real protocols; reconciliation compares expected with actual charges. None of
// it is linked into a production binary.
package sandbox
