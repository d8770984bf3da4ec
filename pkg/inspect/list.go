package inspect

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/nullable"
)

// Ledger reads the whole ledger.
type Ledger interface {
	// Records returns the records of all invoices, in no particular order.
	Records(ctx context.Context) iter.Seq2[billing.Record, error]
}

// Filter selects invoices. An empty field selects all.
type Filter struct {
	States       []billing.State
	Outcomes     []billing.Outcome
	Reasons      []billing.Reason
	HoldsClaims  bool      // only invoices that hold claims
	Since        time.Time // only invoices updated then or later
	Customer     string
	Subscription string
	MinAmount    int64 // of all charges together, in minor units
}

// selectsRecord reports whether the record satisfies the conditions on records.
func (f Filter) selectsRecord(record billing.Record) bool {
	return matches(f.States, record.State) &&
		matches(f.Outcomes, record.Outcome) &&
		matches(f.Reasons, record.Reason) &&
		(!f.HoldsClaims || record.HoldsClaims()) &&
		(f.Since.IsZero() || record.UpdatedAt >= f.Since.Unix())
}

// selectsClaims reports whether the invoice satisfies the conditions on its manifest and plan.
func (f Filter) selectsClaims(invoice Summary) bool {
	return (f.Customer == "" || invoice.CustomerID != nil && *invoice.CustomerID == f.Customer) &&
		(f.Subscription == "" || slices.Contains(invoice.SubscriptionIDs, f.Subscription)) &&
		(f.MinAmount == 0 || invoice.Amount != nil && *invoice.Amount >= f.MinAmount)
}

// matches reports whether wanted has the value, or is empty.
func matches[T comparable](wanted []T, value T) bool {
	return len(wanted) == 0 || slices.Contains(wanted, value)
}

// States returns all states of an invoice.
func States() []billing.State {
	return []billing.State{
		billing.Claiming, billing.Charging, billing.Closing, billing.Settling, billing.Releasing, billing.Rejected, billing.Finished,
	}
}

// Outcomes returns all outcomes of a finished invoice.
func Outcomes() []billing.Outcome {
	return []billing.Outcome{billing.Closed, billing.LeftOpen, billing.Empty, billing.Gone, billing.Released}
}

// Listing has the invoices that a filter selects.
type Listing struct {
	Invoices []Summary `json:"invoices"` // sorted by last update, oldest first
}

// Summary is an invoice in a list. Absent values are null.
type Summary struct {
	InvoiceID       string     `json:"invoice_id"`
	CustomerID      *string    `json:"customer_id"` // null without a manifest, before the first claim or after expiry
	SubscriptionIDs []string   `json:"subscription_ids"`
	CurrencyCode    *string    `json:"currency_code"`
	Amount          *int64     `json:"amount"` // sum of the charges of its plan, in minor units; null without a plan
	State           string     `json:"state"`
	Resume          *string    `json:"resume"` // the state in which a later message resumes a rejected invoice
	Outcome         *string    `json:"outcome"`
	Reason          *string    `json:"reason"`
	HoldsClaims     bool       `json:"held"`
	Owned           bool       `json:"owned"`         // a session has its lease
	Attempts        int        `json:"attempts"`      // consecutive sessions without progress
	SendingSince    *time.Time `json:"sending_since"` // since when a line is being added; null if none is
	MissingSince    *time.Time `json:"gone_at"`       // since when the draft is missing or not pending
	FinalInvoiceID  *string    `json:"final_invoice_id"`
	UpdatedAt       *time.Time `json:"updated_at"`
}

// maxConcurrentReads limits the invoices whose manifests and plans are read, and in memory, at the same time.
const maxConcurrentReads = 16

// List reads the whole ledger and returns the invoices that the filter selects. It calls progress for
// each record, and reads manifest and plan only if the record satisfies the conditions on records.
func List(ctx context.Context, ledger Ledger, claims Claims, filter Filter, now time.Time, progress func()) (Listing, error) {
	listing := Listing{Invoices: []Summary{}}
	var selected []billing.Record
	for record, err := range ledger.Records(ctx) {
		if err != nil {
			return listing, err
		}
		progress()
		if filter.selectsRecord(record) {
			selected = append(selected, record)
		}
	}
	slices.SortFunc(selected, func(a, b billing.Record) int {
		return cmp.Or(cmp.Compare(a.UpdatedAt, b.UpdatedAt), cmp.Compare(a.InvoiceID, b.InvoiceID))
	})
	listing.Invoices = make([]Summary, len(selected))
	reads, readCtx := errgroup.WithContext(ctx)
	reads.SetLimit(maxConcurrentReads)
	for i, record := range selected {
		reads.Go(func() error {
			listing.Invoices[i] = summarize(record, now)
			return listing.Invoices[i].addClaims(readCtx, claims, record)
		})
	}
	if err := reads.Wait(); err != nil {
		return Listing{}, err
	}
	listing.Invoices = slices.DeleteFunc(listing.Invoices, func(invoice Summary) bool { return !filter.selectsClaims(invoice) })
	return listing, nil
}

// addClaims reads manifest and plan, and sets the fields that come from them.
func (s *Summary) addClaims(ctx context.Context, claims Claims, record billing.Record) error {
	found, err := describeClaims(ctx, claims, record)
	if err != nil || found == nil {
		return err
	}
	s.CustomerID, s.CurrencyCode, s.SubscriptionIDs = nullable.String(found.CustomerID), nullable.String(found.CurrencyCode), found.Subscriptions
	plan, err := claims.Plan(ctx, record.InvoiceID, record.Epoch)
	switch {
	case errors.Is(err, billing.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	s.Amount = new(plan.Total())
	return nil
}

func summarize(record billing.Record, now time.Time) Summary {
	return Summary{
		InvoiceID:       record.InvoiceID,
		SubscriptionIDs: []string{},
		State:           string(record.State),
		Resume:          nullable.String(record.Resume),
		Outcome:         nullable.String(record.Outcome),
		Reason:          nullable.String(record.Reason),
		HoldsClaims:     record.HoldsClaims(),
		Owned:           record.IsLeased(now),
		Attempts:        record.Attempts,
		SendingSince:    nullable.Unix(record.SendingSince),
		MissingSince:    nullable.Unix(record.MissingSince),
		FinalInvoiceID:  nullable.String(record.FinalInvoiceID),
		UpdatedAt:       nullable.Unix(record.UpdatedAt),
	}
}
