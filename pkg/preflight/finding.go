// Package preflight evaluates the state of an installation: queues, tables, permissions, Chargebee
// and the rate limit. It performs no I/O: callers collect the state and pass it to the functions.
// A finding that is not ok has a solution.
package preflight

import (
	"fmt"
	"slices"

	"github.com/billable-events/billable/pkg/finding"
)

// Finding is the result of one check.
type Finding struct {
	finding.Finding

	Subject string `json:"subject"` // what was checked
}

// The subjects.
const (
	SubjectQueue       = "queue"
	SubjectDeadLetters = "dead-letter queue"
	SubjectEvents      = "events"
	SubjectLedger      = "ledger"
	subjectConsumers   = "consumers"
	subjectRateLimit   = "rate limit"
	subjectSettings    = "settings"
	subjectChargebee   = "chargebee"
)

// findings collects findings. addf gives each the current subject.
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
func Failed(list []Finding) bool {
	return slices.ContainsFunc(list, func(f Finding) bool { return f.Level == finding.Error })
}
