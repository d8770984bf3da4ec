package lifecycle_test

import (
	"math"
	"runtime/debug"
	"testing"

	"github.com/billable-events/billable/pkg/lifecycle"
)

// TestMemory is for the whole process: it runs alone, and puts back what was.
func TestMemory(t *testing.T) {
	growth, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(math.MaxInt64)
	t.Cleanup(func() {
		debug.SetGCPercent(growth)
		debug.SetMemoryLimit(limit)
	})
	for name, test := range map[string]struct {
		memory  lifecycle.Memory
		environ []string
		growth  int
		limit   int64
	}{
		"both":                  {lifecycle.Memory{Growth: 400, Limit: 1 << 30}, nil, 400, 1 << 30},
		"no limit":              {lifecycle.Memory{Growth: 400}, []string{"GOGCX=1"}, 400, math.MaxInt64},
		"GOGC goes first":       {lifecycle.Memory{Growth: 400, Limit: 1 << 30}, []string{"GOGC=50"}, 100, 1 << 30},
		"GOMEMLIMIT goes first": {lifecycle.Memory{Growth: 400, Limit: 1 << 30}, []string{"GOMEMLIMIT=1GiB"}, 400, math.MaxInt64},
	} {
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(math.MaxInt64)
		test.memory.Set(test.environ)
		if got := debug.SetGCPercent(100); got != test.growth {
			t.Errorf("%s: the heap grows by %d %%, want %d", name, got, test.growth)
		}
		if got := debug.SetMemoryLimit(-1); got != test.limit {
			t.Errorf("%s: the limit is %d, want %d", name, got, test.limit)
		}
	}
}
