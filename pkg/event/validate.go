package event

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/billable-events/billable/pkg/escape"
)

// The versions of Chargebee's API in api_version. Only v2 is supported.
const (
	apiVersion  = "v2"
	apiVersion1 = "v1"
)

// invoiceCreated is the name of PendingInvoiceCreated in API V1. If it were ignored, as events of other
// types are, no invoice would be billed, and nothing would show it.
const invoiceCreated = "invoice_created"

const (
	setAPIVersion   = "set the API version of the webhook in Chargebee to V2"
	usesAPIVersion1 = "is v1 and not v2: the webhook sends events of API V1; " + setAPIVersion
)

// maxIDLength is the maximum length of an id, in characters. Those of Chargebee have 50 at most, some 100:
// https://apidocs.chargebee.com/docs/api/invoices/invoice-object
const maxIDLength = 100

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
	p.validateID(fieldID, p.event.ID)
	p.validateID(fieldInvoiceID, p.event.Invoice.ID)
	p.validateID(fieldCustomerID, p.event.Invoice.CustomerID)
	p.validateID(fieldSubscriptionID, p.event.Invoice.SubscriptionID)
	// JSON allows these two unescaped, in contrast to other control characters.
	if bytes.Contains(p.body, []byte("\uFFFE")) || bytes.Contains(p.body, []byte("\uFFFF")) {
		p.report("", "the body contains U+FFFE or U+FFFF, which SQS does not accept: use escape sequences")
	}
}

// validateID reports an id that no id of Chargebee can be. Some ids become message attributes, and all are
// shown to operators.
func (p *parser) validateID(field, id string) {
	if utf8.RuneCountInString(id) > maxIDLength {
		p.report(field, fmt.Sprintf("is longer than %d characters", maxIDLength))
	}
	if strings.ContainsFunc(id, isInvalidInID) {
		p.report(field, "contains a control character, or one that SQS does not accept")
	}
}

// hasInvalidParent reports whether an object that contains the field was already reported.
func (p *parser) hasInvalidParent(field string) bool {
	return slices.ContainsFunc(p.problems, func(problem Problem) bool {
		return problem.Problem == notObject && strings.HasPrefix(field, problem.Field+".")
	})
}

// isInvalidInID reports whether a character controls a terminal, or SQS does not accept it:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func isInvalidInID(r rune) bool {
	return escape.IsControl(r) || r == 0xFFFE || r == 0xFFFF
}
