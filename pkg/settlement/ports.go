package settlement

import (
	"context"
	"iter"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/ratelimit"
)

// Ledger keeps the invoice records. All reads are strongly consistent.
type Ledger interface {
	// Record returns the record of the invoice. ok is false if there is none.
	Record(ctx context.Context, invoiceID string) (record billing.Record, ok bool, err error)

	// InvoicesOf returns the invoices that claimed events of a subscription, in any order.
	InvoicesOf(ctx context.Context, subscriptionID string) ([]billing.SubscriptionInvoice, error)

	// Commit applies the whole step or nothing. A step that was applied before is recognised by its
	// version, and succeeds. Errors include billing.ErrFenced, billing.ErrBusy and *billing.EventsChanged.
	Commit(ctx context.Context, step billing.Step) error
}

// Claims reads the items of an epoch. All reads are strongly consistent. The error for a missing item
// includes billing.ErrNotFound.
type Claims interface {
	Manifest(ctx context.Context, invoiceID, epoch string) (billing.Manifest, error)
	Page(ctx context.Context, invoiceID, epoch string, number int) (billing.Page, error)
	Plan(ctx context.Context, invoiceID, epoch string) (billing.Plan, error)
}

// Events finds billable events.
type Events interface {
	// Unbilled returns the unbilled events of a subscription that occurred before the given unix
	// second. It reads an eventually consistent index, which may show events that are claimed already,
	// and lack new ones.
	Unbilled(ctx context.Context, subscriptionID string, before int64) iter.Seq2[billing.Event, error]

	// Claimed returns all claimed events in any order. It reads the whole table, strongly consistent.
	Claimed(ctx context.Context) iter.Seq2[billing.ClaimedEvent, error]
}

// Charger changes pending invoices. An error includes a *billing.Failure. If nothing was sent, it may instead
// include ratelimit.ErrExpired or the cause of the end of ctx.
type Charger interface {
	// AddCharge adds a line, and returns the invoice with it.
	AddCharge(ctx context.Context, permit *ratelimit.Permit, charge billing.Charge) (billing.Invoice, error)
	// Close closes the pending invoice, and returns the final one.
	Close(ctx context.Context, permit *ratelimit.Permit, closing billing.Close) (billing.Invoice, error)
	// APIKeyID identifies the API key of the next call. It does not reveal the key.
	APIKeyID() string
}

// Invoices reads invoices. Its errors are as those of Charger.
type Invoices interface {
	Invoice(ctx context.Context, permit *ratelimit.Permit, page billing.LinePage) (billing.Invoice, error)
	ListInvoices(ctx context.Context, permit *ratelimit.Permit, query billing.InvoiceQuery) (billing.InvoicePage, error)
}

// RateLimiter grants permits for calls to Chargebee.
type RateLimiter interface {
	// Acquire waits for a permit until ctx ends.
	Acquire(ctx context.Context) (*ratelimit.Permit, error)
	// Pause stops all calls to the site, after the call of the permit got a 429 for the whole site.
	// retryAfter is 0 if Chargebee did not specify it.
	Pause(permit *ratelimit.Permit, retryAfter time.Duration)
}

// Observer receives reports. Implementations must not block.
type Observer interface {
	// Handled is called at the end of each session, with the context of the session.
	Handled(ctx context.Context, report Report)
	// Mismatched is called for an event that is not as the ledger has it:
	//
	//	the event is                           the session
	//	claimed, with other values             bills it as it was claimed
	//	unbilled, after an invoice billed it   marks it as billed on that invoice again
	//	in another state                       leaves it as it is
	//
	// claimed has only a key if the session was to release the event, or had already found its values changed.
	Mismatched(invoiceID string, claimed billing.Event, found billing.ChangedEvent)
}
