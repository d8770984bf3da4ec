package event

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// apiVersion is the supported version of Chargebee's API.
const apiVersion = "v2"

// maxIdentifier limits ids that become message attributes, in bytes: attributes count towards
// the size of a message. Chargebee's ids have at most 50 characters.
const maxIdentifier = 1024

// InvalidError lists the invalid fields of an event.
type InvalidError struct {
	Problems []Problem
}

// Problem describes one invalid field.
type Problem struct {
	Field   string `json:"field"` // dotted path; empty: the body
	Problem string `json:"problem"`
}

func (e *InvalidError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, problem := range e.Problems {
		texts[i] = strings.TrimSpace(problem.Field + " " + problem.Problem)
	}
	return strings.Join(texts, "; ")
}

// validate reports missing fields, and values that the queue or the ledger cannot store.
func (p *parser) validate() {
	for _, field := range []string{fieldID, fieldType, fieldInvoiceID} {
		if !slices.Contains(p.seen, field) && !p.hasInvalidParent(field) {
			p.report(field, "is missing")
		}
	}
	if strings.HasPrefix(p.event.Invoice.ID, "#") { // keys of the ledger's own items
		p.report(fieldInvoiceID, "begins with #, as no id of Chargebee does")
	}
	p.validateIdentifier(fieldID, p.event.ID)
	p.validateIdentifier(fieldInvoiceID, p.event.Invoice.ID)
	// JSON allows these two unescaped, in contrast to other control characters.
	if bytes.Contains(p.body, []byte("\uFFFE")) || bytes.Contains(p.body, []byte("\uFFFF")) {
		p.report("", "the body contains U+FFFE or U+FFFF, which SQS does not accept: use escape sequences")
	}
}

// validateIdentifier reports an id that cannot be a message attribute.
func (p *parser) validateIdentifier(field, value string) {
	if len(value) > maxIdentifier {
		p.report(field, fmt.Sprintf("is longer than %d bytes", maxIdentifier))
	}
	if strings.ContainsFunc(value, isInvalidInSQS) {
		p.report(field, "contains a character that SQS does not accept")
	}
}

// hasInvalidParent reports whether an object that contains the field was already reported.
func (p *parser) hasInvalidParent(field string) bool {
	return slices.ContainsFunc(p.problems, func(problem Problem) bool {
		return problem.Problem == notObject && strings.HasPrefix(field, problem.Field+".")
	})
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func isInvalidInSQS(r rune) bool {
	switch r {
	case '\t', '\n', '\r':
		return false
	default:
		return r < 0x20 || r > 0xD7FF && r < 0xE000 || r == 0xFFFE || r == 0xFFFF
	}
}
