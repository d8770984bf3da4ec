package settlement

import (
	"context"
	"iter"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/ratelimit"
)

// Ledger keeps the heads. All reads are strong.
type Ledger interface {
	// Head returns the head of the invoice; ok is false when there is none.
	Record(ctx context.Context, invoiceID string) (record billing.Record, ok bool, err error)

	// Commit applies the step as a whole or not at all. A step that was applied
	// before is recognised by its write and succeeds. Errors: billing.ErrFenced,
	// billing.ErrBusy, *billing.EventsChanged.
	Commit(ctx context.Context, step billing.Step) error
}

// Claims reads what belongs to an epoch: its manifest, pages and plan. All reads
// are strong; what is not there is billing.ErrNotFound.
type Claims interface {
	Manifest(ctx context.Context, invoiceID, epoch string) (billing.Manifest, error)
	Page(ctx context.Context, invoiceID, epoch string, number int) (billing.Page, error)
	Plan(ctx context.Context, invoiceID, epoch string) (billing.Plan, error)
}

// Events finds billable events.
type Events interface {
	// Unbilled returns the unbilled events of a subscription that occurred strictly
	// before the given unix second. It reads an index and is a hint only: it may
	// show events that are claimed already and lack new ones.
	Unbilled(ctx context.Context, subscriptionID string, before int64) iter.Seq2[billing.Event, error]
}

// Charger changes pending invoices. Errors are *billing.Failure, or
// ratelimit.ErrExpired when nothing was sent because the permit had expired.
type Charger interface {
	// AddCharge adds a line, ad-hoc or of an item price, and returns the invoice with it.
	AddCharge(ctx context.Context, permit *ratelimit.Permit, charge billing.Charge) (billing.Invoice, error)
	// Close returns the new invoice; the pending one ceases to exist.
	Close(ctx context.Context, permit *ratelimit.Permit, closing billing.Close) (billing.Invoice, error)
}

// Invoices reads invoices. Errors are as of Charger.
type Invoices interface {
	Invoice(ctx context.Context, permit *ratelimit.Permit, page billing.LinePage) (billing.Invoice, error)
	ListInvoices(ctx context.Context, permit *ratelimit.Permit, query billing.InvoiceQuery) (billing.InvoicePage, error)
}

// RateLimiter grants permits for calls to Chargebee.
type RateLimiter interface {
	// Acquire waits for a permit until ctx ends.
	Acquire(ctx context.Context) (*ratelimit.Permit, error)
	// Pause stops all calls to the site for a while: Chargebee answered 429 for the site
	// to the call that the permit was spent on.
	Pause(permit *ratelimit.Permit, retryAfter time.Duration)
}

// Observer is told what happens. Implementations must not block.
type Observer interface {
	// Handled reports the end of one handling. The context is the handling's.
	Handled(ctx context.Context, report Report)
	// Mismatched reports an event that was not in the state that its invoice's
	// ledger says; it was left as found.
	Mismatched(invoiceID string, event billing.ChangedEvent)
}
