package event

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/billable-events/billable/pkg/escape"
)

// The values of api_version. Only v2 is supported.
const (
	apiVersion1 = "v1"
	apiVersion2 = "v2"
)

// pendingInvoiceCreatedV1 is the name of PendingInvoiceCreated in API V1. It is an error: if it were ignored,
// as other event types are, Billable would bill no invoice of the site, without any sign of it.
const pendingInvoiceCreatedV1 = "invoice_created"

const (
	adviceAPIVersion   = "set the API version of the webhook in Chargebee to V2"
	problemAPIVersion1 = "is v1 and not v2: the webhook sends events of API V1; " + adviceAPIVersion
)

// maxIDLength is the maximum length of an id, in characters. Chargebee's ids have at most 50 or 100:
// https://apidocs.chargebee.com/docs/api/invoices/invoice-object
const maxIDLength = 100

// InvalidError lists the invalid fields of an event.
type InvalidError struct {
	Problems []Problem
}

// Problem describes one invalid field.
type Problem struct {
	Field   string `json:"field"` // dotted path; empty if the problem is the whole body
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
	if strings.HasPrefix(p.event.Invoice.ID, "#") { // the ledger has other items with such keys
		p.report(fieldInvoiceID, "begins with #, as no id of Chargebee does")
	}
	p.validateID(fieldID, p.event.ID)
	p.validateID(fieldInvoiceID, p.event.Invoice.ID)
	p.validateID(fieldCustomerID, p.event.Invoice.CustomerID)
	p.validateID(fieldSubscriptionID, p.event.Invoice.SubscriptionID)
	// SQS refuses these two and control characters, but JSON requires only the latter to be escaped.
	if bytes.Contains(p.body, []byte("\uFFFE")) || bytes.Contains(p.body, []byte("\uFFFF")) {
		p.report("", "the body contains U+FFFE or U+FFFF, which SQS does not accept: use escape sequences")
	}
}

// validateID reports an id that is too long or contains characters that could cause harm: some ids become
// message attributes, and all are shown to operators.
func (p *parser) validateID(field, id string) {
	if utf8.RuneCountInString(id) > maxIDLength {
		p.report(field, fmt.Sprintf("is longer than %d characters", maxIDLength))
	}
	if strings.ContainsFunc(id, isInvalidInID) {
		p.report(field, "contains a control character, or one that SQS does not accept")
	}
}

// hasInvalidParent reports whether a parent of the field was reported because it is not an object.
func (p *parser) hasInvalidParent(field string) bool {
	return slices.ContainsFunc(p.problems, func(problem Problem) bool {
		return problem.Problem == problemNotObject && strings.HasPrefix(field, problem.Field+".")
	})
}

// isInvalidInID reports whether a character controls a terminal, or SQS does not accept it:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func isInvalidInID(r rune) bool {
	return escape.IsControl(r) || r == 0xFFFE || r == 0xFFFF
}
