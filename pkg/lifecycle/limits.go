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

// runtimeShare is the part of a container's memory that Go's runtime may use. The rest is for
// memory that the runtime does not count.
const runtimeShare = 0.86

// RuntimeLimits are settings of the Go runtime.
type RuntimeLimits struct {
	// GCPercent is GOGC. Go's default of 100 spends a fifth of the CPU on garbage collection
	// in a server with few live megabytes and much garbage per request.
	// https://go.dev/doc/gc-guide
	GCPercent int
	// MemoryLimit is GOMEMLIMIT in bytes if no container limits the memory; 0 leaves it unset.
	MemoryLimit int64
}

// Apply sets GOGC to GCPercent, and GOMEMLIMIT and GOMAXPROCS by the limits of the container. It
// leaves each of these unchanged that environ sets.
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
	if containerLimit, err := memlimit.FromCgroup(); err == nil && containerLimit < math.MaxInt64 {
		limit = int64(runtimeShare * float64(containerLimit))
	}
	if limit > 0 {
		debug.SetMemoryLimit(limit)
	}
}

// limitProcessors sets GOMAXPROCS to 1 in a container with at most one CPU. Go's default is two
// there, which wake each other for every request: a fifth of the CPU of a receiver at 2,000
// requests a second. With more than one CPU it sets Go's default, which is the container's limit.
// https://pkg.go.dev/runtime#GOMAXPROCS
func limitProcessors() {
	// After an error, GOMAXPROCS is unchanged.
	_, _ = maxprocs.Set(maxprocs.Min(1), maxprocs.RoundQuotaFunc(func(cores float64) int { return int(math.Ceil(cores)) }))
	if runtime.GOMAXPROCS(0) > 1 {
		runtime.SetDefaultGOMAXPROCS()
	}
}
