// Package finding holds what checks report about an installation or about its invoices: a stable
// name, a level, what was found and what to do about it.
package finding

import (
	"cmp"
	"slices"
)

// Level is the severity of a finding.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Warning Level = "warning" // works now, but needs attention
	Error   Level = "error"   // does not work, or revenue is at risk
)

// Compare orders levels by severity, the most severe first.
func Compare(a, b Level) int {
	order := []Level{Error, Warning, OK}
	return cmp.Compare(slices.Index(order, a), slices.Index(order, b))
}

// Finding is the part that all findings have in common.
type Finding struct {
	Name    string `json:"name"` // stable: programs may rely on it
	Level   Level  `json:"level"`
	Message string `json:"finding"`          // what was found
	Remedy  string `json:"remedy,omitempty"` // what to do about it
}
