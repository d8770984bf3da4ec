// Package finding has the types of checks: the observed configuration of queues and tables, and
// findings with a stable name, a level, a message and a solution.
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

// Compare compares levels for sorting by severity, the most severe first.
func Compare(a, b Level) int {
	order := []Level{Error, Warning, OK}
	return cmp.Compare(slices.Index(order, a), slices.Index(order, b))
}

// Finding has the fields that the findings of all packages have in common.
type Finding struct {
	Name     string `json:"name"` // stable: programs may rely on it
	Level    Level  `json:"level"`
	Message  string `json:"finding"`
	Solution string `json:"remedy,omitempty"`
}
