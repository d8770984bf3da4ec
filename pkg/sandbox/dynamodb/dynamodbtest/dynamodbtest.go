// Package dynamodbtest is a conformance suite for Amazon DynamoDB, as far as this project
// uses it: checks against AWS's documentation, made through AWS's SDK. The fake passes all
// of them in virtual time, each in a testing/synctest bubble of its own; any other endpoint
// can be checked in real time. Known lists what other implementations do differently.
package dynamodbtest

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/billable-events/billable/pkg/sandbox/conformance"
)

// check is one rule. It uses tables of its own.
type check = conformance.Check[*bench]

// Suite has all checks.
var Suite = conformance.Suite[*bench, *dynamodb.Client]{
	Checks: slices.Concat(tables, items, conditions, updates, validations, transactions, batches, queries, scans, indexes, concurrency),
	Bench:  func(t *testing.T, client *dynamodb.Client) *bench { t.Helper(); return &bench{T: t, client: client} },
}
