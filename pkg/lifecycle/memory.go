package lifecycle

import (
	"runtime/debug"
	"slices"
	"strings"
)

// collectAt is how much the heap may grow until it is collected, in percent of what is
// in use.
const collectAt = 400

// CollectLess lets the heap grow to five times what is in use instead of twice. A
// server whose every request leaves much garbage and keeps nothing has a few megabytes
// in use, and would spend a fifth of its CPU on collecting. GOGC in the environment
// goes first; GOMEMLIMIT works beside it. https://go.dev/doc/gc-guide
func CollectLess(environ []string) {
	set := func(variable string) bool { return strings.HasPrefix(variable, "GOGC=") }
	if !slices.ContainsFunc(environ, set) {
		debug.SetGCPercent(collectAt)
	}
}
