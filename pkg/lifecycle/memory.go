package lifecycle

import (
	"runtime/debug"
	"slices"
	"strings"
)

// Memory is how much memory a process may use in order to spend less CPU on collecting
// garbage. A server whose every request leaves much garbage and keeps nothing has a few
// megabytes in use; with Go's defaults it would spend a fifth of its CPU on collecting.
// https://go.dev/doc/gc-guide
type Memory struct {
	Growth int   // of the heap until it is collected, in percent of what is in use
	Limit  int64 // bytes above which it is collected more often; 0: none
}

// Set makes it so, as far as GOGC and GOMEMLIMIT in the environment do not say otherwise.
func (m Memory) Set(environ []string) {
	given := func(name string) bool {
		return slices.ContainsFunc(environ, func(variable string) bool { return strings.HasPrefix(variable, name+"=") })
	}
	if !given("GOGC") {
		debug.SetGCPercent(m.Growth)
	}
	if !given("GOMEMLIMIT") && m.Limit > 0 {
		debug.SetMemoryLimit(m.Limit)
	}
}
