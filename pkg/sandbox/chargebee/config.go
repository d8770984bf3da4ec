package chargebee

import (
	"net/http"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
)

// Config holds the settings of a site. Its zero value is a site without rate
// limits whose calls take no time and never fail, and which refuses what the
// documentation does not cover.
type Config struct {
	APIKey string           // the one key that is accepted; "" accepts any
	Now    func() time.Time // defaults to time.Now
	Seed   uint64           // ids are drawn from it

	// Faults decides the fault of each call; nil: nothing fails. Operations are
	// named as in Call.Operation; a webhook being sent asks for "webhook" and
	// honours Delay, LoseReply, ApplyLate and Duplicate.
	Faults sandbox.Faults

	// Throttles are the errors of calls with sandbox.Throttle, in turn. Defaults
	// to ErrLockTimeout.
	Throttles []*Error
	// Refusals are the errors of calls with sandbox.Refuse, in turn: one of the
	// documented refusals, or a Page. Defaults to ErrTemporary, ErrInternal,
	// Page(502), Page(504).
	Refusals []*Error
	// LostReplies are the errors of calls with sandbox.LoseReply, in turn, after
	// they took effect: ErrCut, or as from a gateway that gave up. Defaults to
	// ErrCut.
	LostReplies []*Error

	// MaxReadLag bounds sandbox.Fault.Lag: how far back in time a GET may look.
	// Defaults to 0: every GET sees what is.
	MaxReadLag time.Duration

	// Latency is the time from the arrival of a call to its effect. A POST holds the
	// lock of its invoice meanwhile.
	Latency time.Duration
	// LockWait is how long a POST waits for another one on the same invoice
	// before it gets 429 lock_timeout. Defaults to 0: at once.
	LockWait time.Duration

	// IdempotencyWindow is how long a key is remembered, from the arrival of
	// its first call. Defaults to 30 minutes.
	IdempotencyWindow time.Duration
	// StoreErrors makes error answers be replayed too, injected ones among
	// them, unless they come from before the keys: a gateway, the key of the
	// API, the limits of the site. Whether Chargebee does so is not documented.
	StoreErrors bool
	// ConcurrentRefusal is the response to a call while another one with its key is in
	// progress, e.g. ErrInvalidState or ErrLockTimeout. Defaults to nil: it waits,
	// and gets the answer of the other one. Chargebee does not document it.
	ConcurrentRefusal *Error
	// LateKeepsKey makes a call with sandbox.ApplyLate occupy its key from its arrival,
	// like a slow call. Otherwise it also arrives late, and uses the key as it is then.
	LateKeepsKey bool

	// RequestsPerMinute is how many requests the site may get in any 60 s; 0:
	// any number. Plans allow 150, 1,000 or 3,500.
	RequestsPerMinute int
	// MaxConcurrent, MaxConcurrentGET and MaxConcurrentPOST bound the requests
	// in flight; 0: any number. Live sites allow 150, 50 and 100.
	MaxConcurrent, MaxConcurrentGET, MaxConcurrentPOST int
	// BlockFor is the time for which all calls get 429 after a limit was exceeded.
	// Defaults to 60 s.
	BlockFor time.Duration
	// NoRetryAfter leaves Retry-After out of those answers: Chargebee does not
	// promise to send it.
	NoRetryAfter bool

	// ClosedStatus is what a closed invoice with an amount due becomes:
	// payment_due, not_paid, paid or posted. Defaults to payment_due.
	ClosedStatus string
	// Collect decides what becomes of the payment for an invoice with an amount
	// due that is being closed; nil: nothing fails. It must not call the
	// Service.
	Collect func(Invoice) Collection
	// AutoClose is after how long pending invoices are closed by themselves;
	// 0: never. Sites allow up to 50 days.
	AutoClose time.Duration
	// ClosedDraft is the answer to GETs and POSTs with the id that a closed
	// invoice had while it was pending, e.g. ErrInvalidState or
	// ErrInvalidRequest. The draft is documented as deleted; the answer is not.
	// Defaults to nil: 404 resource_not_found.
	ClosedDraft *Error
	// ShowsDeleted lets a retrieve show deleted invoices, with deleted true. By
	// default it answers 404: the documentation has them in lists only.
	ShowsDeleted bool
	// NewLineIDs gives the lines of a closed invoice new ids. By default they
	// keep theirs. Neither is documented.
	NewLineIDs bool
	// KeepDate lets a closed invoice keep the date of its generation; otherwise
	// it gets the date of its closing.
	KeepDate bool

	// WholeInvoices is a site without Enterprise-scale Invoicing: answers show
	// all lines of an invoice, and line_items_limit and line_items_offset are
	// refused with 400. They are documented as applicable only with
	// Enterprise-scale Invoicing; what such a site answers is not.
	WholeInvoices bool
	// IgnoresPaging lets a site with WholeInvoices ignore these parameters.
	IgnoresPaging bool
	// ShortPages lets pages of a retrieve have fewer lines than
	// line_items_limit, but at least one. The documentation gives the absence
	// of line_items_next_offset as the end of the lines; it does not promise
	// that pages are full.
	ShortPages bool
	// ForeignCursor is the answer to a line_items_offset that the site has not
	// issued for the invoice. Only values of line_items_next_offset are
	// documented. Defaults to ForeignCursorRefused.
	ForeignCursor ForeignCursor

	// CutWebhooks is how many lines the invoice in a webhook has at most, the
	// first ones; 0: any number. Whether webhooks cut lines is not documented.
	CutWebhooks int
	// CutAnswers is the same for the answers to calls that change an invoice.
	// Defaults to 100, or to any number with WholeInvoices. Paging is
	// documented for retrieve only.
	CutAnswers int
	// CutSilently leaves line_items_next_offset out of these webhooks and
	// answers when lines were cut.
	CutSilently bool
	// BareWebhooks lets webhooks carry only their id, their event_type and the
	// id of the invoice. It models an incomplete message. By default they carry
	// the whole invoice, as documented.
	BareWebhooks bool

	// OmitsNulls leaves optional attributes without a value out of invoices,
	// lines and notes. By default they are null: the documentation calls
	// subscription_id null on consolidated invoices, and entity_id on ad-hoc
	// lines. Published examples leave such attributes out.
	OmitsNulls bool

	// LenientSubscription accepts a charge on a consolidated invoice without
	// subscription_id; the line has none. By default it is refused with 400.
	// The parameter is documented as applicable for consolidated invoices, not
	// as required.
	LenientSubscription bool
	// AnySubscription accepts subscription_id on an invoice of one
	// subscription. By default it is refused with 400: it is documented as
	// applicable for consolidated invoices only.
	AnySubscription bool
	// EqualDates accepts lines that end when they start. By default they are
	// refused with 400. Neither is documented.
	EqualDates bool
	// RoundDates lets lines of item prices have whole days: date_from becomes
	// the start of its day and date_to the last second of its day. Whether
	// dates are kept to the second is not documented.
	RoundDates bool
	// RoundDatesOffset is the offset from UTC of the days of RoundDates.
	RoundDatesOffset time.Duration
	// DescriptionInCodePoints counts the 250 characters of a description in
	// code points. By default they are UTF-16 code units. The unit is not
	// documented.
	DescriptionInCodePoints bool
	// QuantityDefaultsToOne takes an absent quantity of an item price as 1. By
	// default it is refused with 400, unless the price is a flat fee. quantity
	// is documented as optional, without a default.
	QuantityDefaultsToOne bool
	// IgnoresFlatFeeQuantity ignores the quantity of a flat fee. By default it
	// is refused with 400. Neither is documented.
	IgnoresFlatFeeQuantity bool
	// MaxLines is the number of lines of an invoice from which charges are
	// refused with 400 resource_limit_exceeded; a negative number: none.
	// Defaults to 800: Chargebee's support warns that invoices of more than 800
	// to 900 lines may not be processed. The answer is not documented. Renewals
	// and manual edits are not limited.
	MaxLines int

	// Catalog is the site's product catalog. Defaults to Catalog2.
	Catalog Catalog
	// BothCatalogs is a site with Catalog2 on which Catalog1 is active too. GETs
	// of invoices are answered in the compat form, unless they have the header
	// chargebee-response-schema-type: items. The header and the default are
	// documented; the entity_type and entity_id of the compat form are not.
	BothCatalogs bool
	// APIVersion is the api_version of the webhooks' envelope. Defaults to v2;
	// the invoice within keeps the form of v2 whatever it is.
	APIVersion string

	// Events are the types of events that are sent to the endpoint. Defaults to
	// pending_invoice_created; pending_invoice_updated, invoice_generated and
	// invoice_deleted are known besides.
	Events []string
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if len(c.Throttles) == 0 {
		c.Throttles = []*Error{ErrLockTimeout}
	}
	if len(c.Refusals) == 0 {
		c.Refusals = []*Error{
			ErrTemporary, ErrInternal, Page(http.StatusBadGateway), Page(http.StatusGatewayTimeout),
		}
	}
	if len(c.LostReplies) == 0 {
		c.LostReplies = []*Error{ErrCut}
	}
	if c.IdempotencyWindow == 0 {
		c.IdempotencyWindow = 30 * time.Minute
	}
	if c.BlockFor == 0 {
		c.BlockFor = time.Minute
	}
	if c.ClosedStatus == "" {
		c.ClosedStatus = StatusPaymentDue
	}
	if c.MaxLines == 0 {
		c.MaxLines = 800
	}
	if c.APIVersion == "" {
		c.APIVersion = "v2"
	}
	if len(c.Events) == 0 {
		c.Events = []string{EventPendingInvoiceCreated}
	}
	return c
}
