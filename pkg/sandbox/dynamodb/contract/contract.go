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
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// Check is one rule of the contract. It uses tables of its own.
type Check struct {
	Name  string        // group/rule
	Lasts time.Duration // how long it sleeps
	run   func(*bench)
}

// Run checks the service behind client, which must not retry: a check wants to
// see each answer.
func (c Check) Run(t *testing.T, client *dynamodb.Client) {
	t.Helper()
	c.run(&bench{T: t, client: client})
}

// All are the checks, by group.
func All() []Check {
	return slices.Concat(tables, items, conditions, updates, validations, transactions, batches, queries, scans,
		indexes, concurrency)
}

// Target is an endpoint in real time.
type Target struct {
	Client  *dynamodb.Client
	Longest time.Duration     // checks that last longer are skipped
	Known   map[string]string // names of checks that the target is known to fail: why
}

// Run runs all checks against a target, each as a subtest.
func Run(t *testing.T, target Target) {
	t.Helper()
	for _, check := range All() {
		t.Run(check.Name, func(t *testing.T) {
			if reason, ok := target.Known[check.Name]; ok {
				t.Skip("known to differ: " + reason)
			}
			if check.Lasts > target.Longest {
				t.Skipf("lasts %s", check.Lasts)
			}
			t.Parallel()
			check.Run(t, target.Client)
		})
	}
}
