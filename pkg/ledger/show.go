// Package ledger answers what an operator asks of the ledger: what became of an
// invoice, and why; and which invoices nobody works on although somebody should.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
)

// ErrUnknown says that the ledger knows no such invoice.
var ErrUnknown = errors.New("ledger: no such invoice")

// Heads finds heads.
type Heads interface {
	// FindHead returns the head of the invoice with the given draft or final id.
	FindHead(ctx context.Context, id string) (head billing.Head, ok bool, err error)
}

// Plans reads plans; what is not there is billing.ErrNotFound.
type Plans interface {
	Plan(ctx context.Context, invoiceID, epoch string) (billing.Plan, error)
}

// Invoice is what the ledger knows of one invoice. Absent values are null.
type Invoice struct {
	InvoiceID      string     `json:"invoice_id"`
	State          string     `json:"state"`
	Resume         *string    `json:"resume"`
	Owner          *string    `json:"owner"`
	Generation     int64      `json:"generation"`
	Write          string     `json:"write"`
	LeaseUntil     *time.Time `json:"lease_until"`
	Attempts       int        `json:"attempts"`
	Epoch          string     `json:"epoch"`
	Pages          int        `json:"pages"`
	Cursor         int        `json:"cursor"`
	SendingSince   *time.Time `json:"sending_since"`
	Doubt          bool       `json:"doubt"`
	GoneAt         *time.Time `json:"gone_at"`
	Verdict        *string    `json:"verdict"`
	Settled        int        `json:"settled"`
	Outcome        *string    `json:"outcome"`
	Reason         *string    `json:"reason"`
	Detail         *string    `json:"detail"`
	FinalInvoiceID *string    `json:"final_invoice_id"`
	UpdatedAt      *time.Time `json:"updated_at"`
	ExpiresAt      *time.Time `json:"expires_at"`
	Version        int        `json:"version"`
	Lines          []Line     `json:"lines"`
}

// Line is one line of the invoice's plan.
type Line struct {
	SubscriptionID string  `json:"subscription_id"`
	ChargeCode     string  `json:"charge_code"`
	Amount         int64   `json:"amount"` // minor units
	Quantity       *string `json:"quantity"`
	Events         int     `json:"events"`
	Marker         *string `json:"marker"` // the line of an item price has none
	State          string  `json:"state"`
}

// The states of a line.
const (
	Planned  = "planned"  // not sent
	Sending  = "sending"  // sent; whether it stands on the invoice is not known
	Added    = "added"    // stands on the invoice
	Held     = "held"     // may have been charged: a person has to look
	Released = "released" // never charged; its events are unbilled again
	Zero     = "zero"     // comes to nothing and is not sent
)

// Show returns what the ledger knows of the invoice with the given draft or final
// id, or ErrUnknown.
func Show(ctx context.Context, heads Heads, plans Plans, id string) (Invoice, error) {
	head, ok, err := heads.FindHead(ctx, id)
	if err != nil {
		return Invoice{}, err
	}
	if !ok || head.State == "" { // an item without a state is one of the ledger's own
		return Invoice{}, fmt.Errorf("%w: %s", ErrUnknown, id)
	}
	plan, err := plans.Plan(ctx, head.InvoiceID, head.Epoch)
	if err != nil && !errors.Is(err, billing.ErrNotFound) {
		return Invoice{}, err
	}
	return describe(head, plan), nil
}

func describe(head billing.Head, plan billing.Plan) Invoice {
	invoice := Invoice{
		InvoiceID:      head.InvoiceID,
		State:          string(head.State),
		Resume:         text(head.Resume),
		Owner:          text(head.Owner),
		Generation:     head.Generation,
		Write:          head.Write,
		LeaseUntil:     instant(head.LeaseUntil),
		Attempts:       head.Attempts,
		Epoch:          head.Epoch,
		Pages:          head.Pages,
		Cursor:         head.Cursor,
		SendingSince:   instant(head.SendingSince),
		Doubt:          head.Doubt,
		GoneAt:         instant(head.GoneAt),
		Verdict:        text(head.Verdict),
		Settled:        head.Settled,
		Outcome:        text(head.Outcome),
		Reason:         text(head.Reason),
		Detail:         text(head.Detail),
		FinalInvoiceID: text(head.FinalInvoiceID),
		UpdatedAt:      instant(head.UpdatedAt),
		ExpiresAt:      instant(head.ExpiresAt),
		Version:        head.Version,
		Lines:          make([]Line, len(plan.Lines)),
	}
	for i, line := range plan.Lines {
		invoice.Lines[i] = Line{
			SubscriptionID: line.SubscriptionID,
			ChargeCode:     line.ChargeCode,
			Amount:         line.Amount,
			Quantity:       text(line.Quantity),
			Events:         line.Events,
			Marker:         text(line.Marker),
			State:          lineState(head, i, line),
		}
	}
	return invoice
}

// lineState says where a line stands, by the head alone.
func lineState(head billing.Head, i int, line billing.Line) string {
	switch {
	case line.Amount == 0:
		return Zero
	case head.Verdict != "":
		return judged(head.Verdict, i)
	case head.State == billing.Releasing, head.Resume == billing.Releasing, head.Resume == billing.Claiming:
		return Released
	case i < head.Cursor:
		return Added
	case i == head.Cursor && head.Sending():
		return Sending
	default:
		return Planned
	}
}

// judged reads a verdict. What it does not say in a letter known here, a person has
// to look at.
func judged(verdict string, i int) string {
	if i < len(verdict) {
		switch verdict[i] {
		case billing.Stands:
			return Added
		case billing.Released:
			return Released
		}
	}
	return Held
}

func text[S ~string](value S) *string {
	if value == "" {
		return nil
	}
	return new(string(value))
}

func instant(seconds int64) *time.Time {
	if seconds == 0 {
		return nil
	}
	return new(time.Unix(seconds, 0).UTC())
}
