package ratelimit_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/ratelimit/ratelimittest"
)

// BenchmarkLimiter_Acquire measures one permit from a store in memory.
func BenchmarkLimiter_Acquire(b *testing.B) {
	limiter := ratelimit.New(ratelimit.Config{
		Store: &ratelimittest.Store{}, Now: time.Now, RequestsPerMinute: 1e9, Jitter: time.Second,
	})
	ctx, cancel := context.WithCancel(b.Context())
	var run sync.WaitGroup
	run.Go(func() { limiter.Run(ctx) })
	b.ReportAllocs()
	for b.Loop() {
		permit, err := limiter.Acquire(ctx)
		if err != nil || permit.Spend() != nil {
			b.Fatal("no permit")
		}
	}
	cancel()
	run.Wait()
}
