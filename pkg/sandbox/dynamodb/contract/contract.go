// Package contract is what a service has to do to pass for Amazon DynamoDB, as
// far as this project uses it: checks against AWS's documentation, made through
// AWS's SDK.
//
// The same checks run against the sandbox in virtual time, one bubble of
// testing/synctest for each, and against any other endpoint in real time.
package contract

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/billable-events/billable/pkg/sandbox/conformance"
)

// check is one rule of the contract. It uses tables of its own.
type check = conformance.Check[*bench]

var suite = conformance.Suite[*bench, *dynamodb.Client]{
	Checks: slices.Concat(tables, items, conditions, updates, validations, transactions, batches, queries, scans,
		indexes, concurrency),
	Bench: func(t *testing.T, client *dynamodb.Client) *bench { t.Helper(); return &bench{T: t, client: client} },
}

// Outline is the outline of all checks.
func Outline() []conformance.Outline { return suite.Outline() }

// Target is an endpoint in real time.
type Target = conformance.Target[*dynamodb.Client]

// Run runs all checks against a target, each as a subtest.
func Run(t *testing.T, target Target) {
	t.Helper()
	suite.Against(t, target)
}

// InVirtualTime runs all checks against services in the same process, each as a
// subtest. The clients must not retry.
func InVirtualTime(t *testing.T, newClient func() *dynamodb.Client) {
	t.Helper()
	suite.InVirtualTime(t, newClient)
}
