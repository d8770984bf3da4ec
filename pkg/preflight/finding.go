// Package preflight evaluates the state of an installation: queues, tables, permissions, Chargebee
// and the rate limit. It performs no I/O: callers collect the state, and each function returns
// findings with solutions.
package preflight

import (
	"fmt"
	"slices"

	"github.com/billable-events/billable/pkg/finding"
)

// Finding is the result of one check.
type Finding struct {
	finding.Finding

	Subject string `json:"subject"` // what was checked: queue, dead-letter queue, events, ledger, consumers, rate limit, settings, chargebee
}

type findings struct {
	subject string
	list    []Finding
}

func (f *findings) addf(level finding.Level, name, solution, format string, args ...any) {
	f.list = append(f.list, Finding{
		Finding: finding.Finding{Name: name, Level: level, Message: fmt.Sprintf(format, args...), Solution: solution},
		Subject: f.subject,
	})
}

// Failed reports whether any of the findings is an error.
func Failed(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Level == finding.Error })
}
