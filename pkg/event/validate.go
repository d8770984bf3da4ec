package event

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// apiVersion is the version of Chargebee's API whose invoices this system reads.
const apiVersion = "v2"

// maxIdentifier is the most bytes of what becomes a message attribute: attributes
// count towards the size of a message. Chargebee's ids have at most 50 characters.
const maxIdentifier = 1024

// InvalidError says what is wrong with an event.
type InvalidError struct {
	Problems []Problem
}

// Problem is what is wrong with one field.
type Problem struct {
	Field   string `json:"field"` // dotted path; empty for the body as a whole
	Problem string `json:"problem"`
}

func (e *InvalidError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, problem := range e.Problems {
		texts[i] = strings.TrimSpace(problem.Field + " " + problem.Problem)
	}
	return strings.Join(texts, "; ")
}

// required are the fields that an event of type PendingInvoiceCreated must have. The
// consumer reads from Chargebee what else it needs.
var required = []string{fieldID, fieldType, fieldInvoiceID}

// requireAll reports required fields that are missing, and what the queue would not
// take.
func (p *parser) requireAll(body []byte) {
	for _, field := range required {
		if !slices.Contains(p.seen, field) && !p.inherited(field) {
			p.report(field, "is missing")
		}
	}
	if strings.HasPrefix(p.event.Invoice.ID, "#") {
		// The ledger keeps its own items under such keys.
		p.report(fieldInvoiceID, "begins with #, as no id of Chargebee does")
	}
	p.requireQueueable(fieldID, p.event.ID)
	p.requireQueueable(fieldInvoiceID, p.event.Invoice.ID)
	// JSON allows no raw control characters; these two it does.
	if bytes.Contains(body, []byte("\uFFFE")) || bytes.Contains(body, []byte("\uFFFF")) {
		p.report("", "the body contains U+FFFE or U+FFFF, which SQS does not take: write it as an escape sequence")
	}
}

// requireQueueable reports what cannot become a message attribute.
func (p *parser) requireQueueable(field, value string) {
	if len(value) > maxIdentifier {
		p.report(field, fmt.Sprintf("is longer than %d bytes", maxIdentifier))
	}
	if strings.ContainsFunc(value, unqueueable) {
		p.report(field, "contains a character that SQS does not take")
	}
}

// inherited tells whether an object on the way to the field is wrong itself, which
// is reported already.
func (p *parser) inherited(field string) bool {
	for _, problem := range p.problems {
		if problem.Problem == "is not an object" && strings.HasPrefix(field, problem.Field+".") {
			return true
		}
	}
	return false
}

// unqueueable tells whether SQS refuses the character.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func unqueueable(r rune) bool {
	switch r {
	case '\t', '\n', '\r':
		return false
	default:
		return r < 0x20 || r > 0xD7FF && r < 0xE000 || r == 0xFFFE || r == 0xFFFF
	}
}
