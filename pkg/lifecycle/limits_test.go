package lifecycle_test

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"github.com/billable-events/billable/pkg/lifecycle"
)

// TestResources is for the whole process: it runs alone, and puts back what was. What comes
// of a container's limits is tested where there is one: in scripts/bench/cgroup_test.go.
func TestRuntimeLimits_Apply(t *testing.T) {
	if container, err := memlimit.FromCgroup(); err == nil && container < math.MaxInt64 {
		t.Skipf("a container limits this test to %d bytes", container)
	}
	growth, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(math.MaxInt64)
	t.Cleanup(func() {
		debug.SetGCPercent(growth)
		debug.SetMemoryLimit(limit)
		runtime.SetDefaultGOMAXPROCS()
	})
	for name, test := range map[string]struct {
		resources lifecycle.RuntimeLimits
		environ   []string
		growth    int
		limit     int64
	}{
		"both":                  {lifecycle.RuntimeLimits{GCPercent: 400, MemoryLimit: 1 << 30}, nil, 400, 1 << 30},
		"no limit":              {lifecycle.RuntimeLimits{GCPercent: 400}, []string{"GOGCX=1"}, 400, math.MaxInt64},
		"GOGC goes first":       {lifecycle.RuntimeLimits{GCPercent: 400, MemoryLimit: 1 << 30}, []string{"GOGC=50"}, 100, 1 << 30},
		"GOMEMLIMIT goes first": {lifecycle.RuntimeLimits{GCPercent: 400, MemoryLimit: 1 << 30}, []string{"GOMEMLIMIT=1GiB"}, 400, math.MaxInt64},
	} {
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(math.MaxInt64)
		test.resources.Apply(test.environ)
		if got := debug.SetGCPercent(100); got != test.growth {
			t.Errorf("%s: the heap grows by %d %%, want %d", name, got, test.growth)
		}
		if got := debug.SetMemoryLimit(-1); got != test.limit {
			t.Errorf("%s: the limit is %d, want %d", name, got, test.limit)
		}
	}
}

func TestRuntimeLimits_KeepGOMAXPROCS(t *testing.T) {
	t.Cleanup(func() { runtime.SetDefaultGOMAXPROCS() })
	before := runtime.GOMAXPROCS(3)
	lifecycle.RuntimeLimits{GCPercent: 100}.Apply([]string{"GOMAXPROCS=3", "GOGC=100", "GOMEMLIMIT=off"})
	if got := runtime.GOMAXPROCS(0); got != 3 {
		t.Errorf("%d processors, want the 3 that were asked for (%d before)", got, before)
	}
}
