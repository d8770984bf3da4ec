// Package diagnosis judges what it is shown of an installation: findings, each with what
// to do. It asks nobody itself.
package diagnosis

import "slices"

// Level is how much a finding matters.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Warning Level = "warning" // it works, and somebody should know
	Error   Level = "error"   // it does not work, or will not
)

// Finding is one thing that was looked at.
type Finding struct {
	Subject string `json:"subject"`
	Level   Level  `json:"level"`
	Finding string `json:"finding"`
	Remedy  string `json:"remedy,omitempty"`
}

// Failed tells whether any of the findings is an error.
func Failed(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Level == Error })
}
