// Package results has the results that both the commands and the console show. The commands also write them as JSON,
// in which the nil pointers of absent values are null.
package results

import (
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/inspect"
	"github.com/billable-events/billable/pkg/settlement"
)

// DeadLetter is a dead letter and its invoice, the result of dlq show.
type DeadLetter struct {
	deadletter.Shown
	Invoice
}

// Invoice is the state of an invoice in the ledger and at Chargebee.
type Invoice struct {
	Ledger    *inspect.Invoice  `json:"ledger"`    // null: it has no record
	Chargebee *ChargebeeInvoice `json:"chargebee"` // null: it was not read
	Replay    settlement.Replay `json:"replay"`    // predicted, of the message for the invoice

	ID      string `json:"-"` // draft id, or without a record the requested id; empty in a DeadLetter
	Preview *Plan  `json:"-"` // what the replay would charge; nil unless the replay makes a new plan
	SiteErr error  `json:"-"` // why the invoice could not be read from Chargebee
}

// ChargebeeInvoice is the state of an invoice at Chargebee.
type ChargebeeInvoice struct {
	InvoiceID string     `json:"invoice_id"` // id by which it was read: of the draft, or of the final invoice if that is known
	Found     bool       `json:"found"`
	Status    *string    `json:"status"`
	Date      *time.Time `json:"date"`

	Lines []billing.InvoiceLine `json:"-"` // of the first page; nil if a preview read the invoice
}

// IsPending reports whether the invoice is pending. It returns nil for a nil invoice, which was not read.
func (i *ChargebeeInvoice) IsPending() *bool {
	if i == nil {
		return nil
	}
	return new(i.Found && *i.Status == billing.StatusPending)
}

// String describes the status of the invoice.
func (i *ChargebeeInvoice) String() string {
	switch {
	case i == nil:
		return "unknown"
	case !i.Found:
		return i.InvoiceID + " does not exist"
	default:
		return i.InvoiceID + " is " + *i.Status
	}
}
