// Package results has the results of operator commands that the command line and the console show. Their JSON is
// the output of the commands. Absent values are null.
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

// Invoice is an invoice in the ledger and at Chargebee.
type Invoice struct {
	Ledger    *inspect.Invoice  `json:"ledger"`
	Chargebee *ChargebeeInvoice `json:"chargebee"`
	Replay    settlement.Replay `json:"replay"` // of a message for the invoice

	ID      string `json:"-"` // of the draft
	Preview *Plan  `json:"-"` // nil if there is a plan already, or Chargebee was not called
	SiteErr error  `json:"-"` // why Chargebee could not be called
}

// ChargebeeInvoice is an invoice as Chargebee shows it.
type ChargebeeInvoice struct {
	InvoiceID string     `json:"invoice_id"` // of the final invoice if the draft was closed, otherwise of the draft
	Found     bool       `json:"found"`
	Status    *string    `json:"status"`
	Date      *time.Time `json:"date"`

	Lines []billing.InvoiceLine `json:"-"` // of one page; nil after a preview
}

// IsPending reports whether the invoice is pending; nil if it was not read.
func (i *ChargebeeInvoice) IsPending() *bool {
	if i == nil {
		return nil
	}
	return new(i.Found && *i.Status == billing.StatusPending)
}

// String describes the invoice in one line.
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
