package chargebee

import (
	"net/http"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
)

// Config configures a site. Its zero value is a site without rate limits whose calls take no
// time and never fail, and which refuses calls that the documentation does not cover.
// docs/conformance.md gives the source of each switch.
type Config struct {
	APIKey string           // the only key that is accepted; "" accepts any
	Now    func() time.Time // defaults to time.Now
	Seed   uint64           // of ids

	// Faults decides the fault of each call. Operations have the names of Call.Operation; a
	// webhook is "webhook" and supports Delay, LoseReply, ApplyLate and Duplicate.
	Faults sandbox.Faults
	// Throttles are the errors of calls with sandbox.Throttle, in turn. Defaults to
	// ErrLockTimeout.
	Throttles []*Error
	// Refusals are the errors of calls with sandbox.Refuse, in turn. Defaults to
	// ErrTemporary, ErrInternal, Page(502), Page(504).
	Refusals []*Error
	// LostReplies are the errors of calls with sandbox.LoseReply, in turn, after their
	// effect: ErrCut, or that of a gateway. Defaults to ErrCut.
	LostReplies []*Error

	MaxReadLag time.Duration // bound of sandbox.Fault.Lag for GETs; 0: GETs do not lag
	Latency    time.Duration // from the arrival of a call to its effect; POSTs lock their invoice
	LockWait   time.Duration // of a POST for another on its invoice, before 429 lock_timeout

	IdempotencyWindow time.Duration // of a key, from the arrival of its first call. Defaults to 30 minutes
	// StoreErrors replays error responses too, except those from before the keys: of a
	// gateway, of authentication, of the limits of the site.
	StoreErrors bool
	// ConcurrentRefusal is the response to a call while another one with its key is in
	// progress, e.g. ErrInvalidState. By default it waits and gets the same response.
	ConcurrentRefusal *Error
	// LateKeepsKey makes a call with sandbox.ApplyLate occupy its key from its arrival,
	// like a slow call. Otherwise it also arrives late, and uses the key as it is then.
	LateKeepsKey bool

	// KeysPerAPIKey makes an idempotency key valid for calls with the same API key only. By default
	// it is valid for the site.
	KeysPerAPIKey bool

	RequestsPerMinute int // in any 60 s; 0: unlimited. Plans allow 150, 1,000 or 3,500
	// MaxConcurrent, MaxConcurrentGET and MaxConcurrentPOST bound the requests in flight;
	// 0: unlimited. Live sites allow 150, 50 and 100.
	MaxConcurrent, MaxConcurrentGET, MaxConcurrentPOST int
	BlockFor                                           time.Duration // of all calls after a limit was exceeded. Defaults to 60 s
	NoRetryAfter                                       bool          // in the responses of a blocked site

	// ClosedStatus is the status of a closed invoice with an amount due: payment_due,
	// not_paid, paid or posted. Defaults to payment_due.
	ClosedStatus string
	// Collect decides the payment of an invoice that is being closed; nil: nothing fails. It
	// must not call the Service.
	Collect      func(Invoice) Collection
	AutoClose    time.Duration // after which pending invoices close by themselves; 0: never
	ClosedDraft  *Error        // response to the id of a closed draft. Defaults to 404 resource_not_found
	ShowsDeleted bool          // a retrieve shows deleted invoices. By default it answers 404
	NewLineIDs   bool          // a close changes the ids of lines
	KeepDate     bool          // a close keeps the date of the invoice. By default it sets it

	// WholeInvoices is a site without Enterprise-scale Invoicing: responses show all lines,
	// and line_items_limit and line_items_offset are refused, or with IgnoresPaging ignored.
	WholeInvoices, IgnoresPaging bool
	ShortPages                   bool          // pages can have fewer lines than their limit, but at least one
	ForeignCursor                ForeignCursor // response to an offset that was not issued for the invoice

	CutWebhooks  int  // lines of an invoice in a webhook; 0: all
	CutAnswers   int  // lines in responses to changes. Defaults to 100, with WholeInvoices to all
	CutSilently  bool // cut lines have no line_items_next_offset
	BareWebhooks bool // webhooks have only their id, event_type and the id of the invoice
	OmitsNulls   bool // optional attributes without a value are absent. By default they are null

	LenientSubscription     bool          // accepts a charge on a consolidated invoice without subscription_id
	AnySubscription         bool          // accepts subscription_id on an invoice of one subscription
	EqualDates              bool          // accepts lines that end when they start
	RoundDates              bool          // lines of item prices have whole days
	RoundDatesOffset        time.Duration // of these days from UTC
	DescriptionInCodePoints bool          // is the unit of the 250 characters. By default UTF-16 code units
	QuantityDefaultsToOne   bool          // for per-unit prices. By default an absent quantity is refused
	IgnoresFlatFeeQuantity  bool          // By default the quantity of a flat fee is refused
	// MaxLines is the number of lines from which charges are refused with 400
	// resource_limit_exceeded; negative: unlimited. Defaults to 800.
	MaxLines int

	Catalog Catalog // product catalog. Defaults to Catalog2
	// BothCatalogs is a site with Catalog2 and an active Catalog1: GETs of invoices have the
	// compat form, unless the header chargebee-response-schema-type is items.
	BothCatalogs bool

	APIVersion string   // api_version of webhooks. Defaults to v2
	Events     []string // types that are sent to the endpoint. Defaults to pending_invoice_created
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
