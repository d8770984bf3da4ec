package lifecycle

import (
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"go.uber.org/automaxprocs/maxprocs"
)

// heapShare is how much of a container's memory Go's runtime is told to stay within: the
// rest is for what it does not count.
const heapShare = 0.86

// Resources is how a process uses what it has of a machine.
type Resources struct {
	// Growth of the heap until it is collected, in percent of what is in use. A server
	// whose every request leaves much garbage and keeps nothing has a few megabytes in use;
	// with Go's default of 100 it would spend a fifth of its CPU on collecting.
	// https://go.dev/doc/gc-guide
	Growth int
	// Memory, in bytes, above which it is collected more often where no container limits
	// it; 0: none.
	Memory int64
}

// Fit fits the process into its container, as far as GOGC, GOMEMLIMIT and GOMAXPROCS in the
// environment do not say otherwise.
func (r Resources) Fit(environ []string) {
	given := func(name string) bool {
		return slices.ContainsFunc(environ, func(variable string) bool { return strings.HasPrefix(variable, name+"=") })
	}
	if !given("GOGC") {
		debug.SetGCPercent(r.Growth)
	}
	if !given("GOMEMLIMIT") {
		r.limitMemory()
	}
	if !given("GOMAXPROCS") {
		limitProcessors()
	}
}

// limitMemory keeps the process from being killed for its garbage.
func (r Resources) limitMemory() {
	limit := r.Memory
	if container, err := memlimit.FromCgroup(); err == nil && container < math.MaxInt64 { // version 1 says so much where there is no limit
		limit = int64(heapShare * float64(container))
	}
	if limit > 0 {
		debug.SetMemoryLimit(limit)
	}
}

// limitProcessors makes do with one processor where a container has no more CPU than that.
// Go's runtime would keep two, which wake each other for every request: a fifth of the CPU
// of a receiver at 2,000 requests a second. More than one is left to the runtime, which
// also follows when the container's limit changes.
// https://pkg.go.dev/runtime#GOMAXPROCS
func limitProcessors() {
	// An error means that there is no limit that could be read.
	_, _ = maxprocs.Set(maxprocs.Min(1), maxprocs.RoundQuotaFunc(func(cores float64) int { return int(math.Ceil(cores)) }))
	if runtime.GOMAXPROCS(0) > 1 {
		runtime.SetDefaultGOMAXPROCS()
	}
}
