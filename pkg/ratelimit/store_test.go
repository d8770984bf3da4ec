package ratelimit_test

import (
	"testing"

	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/ratelimit/ratelimittest"
)

func TestFakeStore_Contract(t *testing.T) {
	t.Parallel()
	ratelimittest.RunContract(t, func(*testing.T) ratelimit.Store { return &ratelimittest.Store{} })
}
