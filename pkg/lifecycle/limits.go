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

// heapShare is the part of a container's memory that Go's runtime may use. The rest is for
// memory that the runtime does not count.
const heapShare = 0.86

// RuntimeLimits are settings of the Go runtime.
type RuntimeLimits struct {
	// GCPercent is GOGC. Go's default of 100 spends a fifth of the CPU on garbage collection
	// in a server with few live megabytes and much garbage per request.
	// https://go.dev/doc/gc-guide
	GCPercent int
	// MemoryLimit is GOMEMLIMIT in bytes where no container limits the memory; 0: none.
	MemoryLimit int64
}

// Apply sets the limits of the process, or those of its container. GOGC, GOMEMLIMIT and
// GOMAXPROCS in the environment take precedence.
func (l RuntimeLimits) Apply(environ []string) {
	isSet := func(name string) bool {
		return slices.ContainsFunc(environ, func(variable string) bool { return strings.HasPrefix(variable, name+"=") })
	}
	if !isSet("GOGC") {
		debug.SetGCPercent(l.GCPercent)
	}
	if !isSet("GOMEMLIMIT") {
		l.limitMemory()
	}
	if !isSet("GOMAXPROCS") {
		limitProcessors()
	}
}

func (l RuntimeLimits) limitMemory() {
	limit := l.MemoryLimit
	// Without a limit, cgroup version 1 reports MaxInt64.
	if container, err := memlimit.FromCgroup(); err == nil && container < math.MaxInt64 {
		limit = int64(heapShare * float64(container))
	}
	if limit > 0 {
		debug.SetMemoryLimit(limit)
	}
}

// limitProcessors sets GOMAXPROCS to 1 in a container with at most one CPU. Go's runtime would
// use two there, which wake each other for every request: a fifth of the CPU of a receiver at
// 2,000 requests a second. Above, the runtime itself follows the limit of the container.
// https://pkg.go.dev/runtime#GOMAXPROCS
func limitProcessors() {
	// An error means that there is no readable limit.
	_, _ = maxprocs.Set(maxprocs.Min(1), maxprocs.RoundQuotaFunc(func(cores float64) int { return int(math.Ceil(cores)) }))
	if runtime.GOMAXPROCS(0) > 1 {
		runtime.SetDefaultGOMAXPROCS()
	}
}
