// Package diagnosis judges what it is shown of an installation: findings, each with what
// to do. It asks nobody itself.
package diagnosis

import (
	"fmt"
	"slices"
)

// Level is how much a finding matters.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Warning Level = "warning" // it works, and somebody should know
	Error   Level = "error"   // it does not work, or will not
)

// Weight orders levels: the worse, the more.
func (l Level) Weight() int { return slices.Index([]Level{OK, Warning, Error}, l) }

// Finding is one thing that was looked at.
type Finding struct {
	Name    string `json:"name"` // stable: programs may rely on it
	Subject string `json:"subject"`
	Level   Level  `json:"level"`
	Finding string `json:"finding"`
	Remedy  string `json:"remedy,omitempty"`
}

// judgement collects the findings about one subject.
type judgement struct {
	subject  string
	findings []Finding
}

func (j *judgement) findf(level Level, name, remedy, format string, args ...any) {
	j.findings = append(j.findings, Finding{name, j.subject, level, fmt.Sprintf(format, args...), remedy})
}

// Failed tells whether any of the findings is an error.
func Failed(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Level == Error })
}
