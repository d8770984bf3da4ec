package chargebee

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
)

// Config is what a site is like. Its zero value is a site without limits whose
// calls take no time and never fail.
type Config struct {
	APIKey string           // the one key that is accepted; "" accepts any
	Now    func() time.Time // defaults to time.Now
	Seed   uint64           // ids are drawn from it

	// Faults decides the fate of each call; nil: nothing fails. Operations are
	// named add_charge, close, delete, delete_line_items, retrieve and list;
	// a webhook being sent asks for "webhook" and honours Delay, LoseReply and
	// Duplicate.
	Faults sandbox.Faults

	// Refusals are the HTTP statuses that calls struck by sandbox.Refuse get in
	// turn: 500, 502, 503 or 504. Defaults to 503, 500, 502, 504.
	Refusals []int
	// LostReplies are what calls struck by sandbox.LoseReply get in turn after
	// they took effect: 0 cuts the connection, 500, 502, 503 and 504 are answered, as by
	// a gateway that gave up. Defaults to 0.
	LostReplies []int

	// Latency is how long a call is worked on before it takes effect. A POST
	// holds the lock of its invoice meanwhile.
	Latency time.Duration
	// LockWait is how long a POST waits for another one on the same invoice
	// before it gets 429 lock_timeout. Defaults to 0: at once.
	LockWait time.Duration

	// IdempotencyWindow is how long a key is remembered, from the arrival of
	// its first call. Defaults to 30 minutes.
	IdempotencyWindow time.Duration
	// StoreErrors makes error answers be replayed too. Whether Chargebee does
	// so is not documented.
	StoreErrors bool

	// RequestsPerMinute is how many requests the site may get in any 60 s; 0:
	// any number. Plans allow 150, 1,000 or 3,500.
	RequestsPerMinute int
	// MaxConcurrent, MaxConcurrentGET and MaxConcurrentPOST bound the requests
	// in flight; 0: any number. Live sites allow 150, 50 and 100.
	MaxConcurrent, MaxConcurrentGET, MaxConcurrentPOST int
	// BlockFor is how long everybody gets 429 after a limit was crossed.
	// Defaults to 60 s.
	BlockFor time.Duration

	// ClosedStatus is what a closed invoice with an amount due becomes:
	// payment_due, paid or posted. Defaults to payment_due.
	ClosedStatus string
	// KeepDate lets a closed invoice keep the date of its generation; otherwise
	// it gets the date of its closing.
	KeepDate bool
	// WholeInvoices answers all lines of an invoice at once and ignores
	// line_items_limit and line_items_offset, as sites without Enterprise-scale
	// Invoicing do.
	WholeInvoices bool

	// Events are the types of events that are sent to the endpoint. Defaults to
	// pending_invoice_created; pending_invoice_updated, invoice_generated and
	// invoice_deleted are known besides.
	Events []string
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if len(c.Refusals) == 0 {
		c.Refusals = []int{
			http.StatusServiceUnavailable, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusGatewayTimeout,
		}
	}
	if len(c.LostReplies) == 0 {
		c.LostReplies = []int{0}
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
	if len(c.Events) == 0 {
		c.Events = []string{EventPendingInvoiceCreated}
	}
	return c
}

// Service is one Chargebee site. It is safe for concurrent use.
type Service struct {
	config Config
	keys   *keys
	limits *limits
	calls  *calls
	outbox *outbox

	mu            sync.Mutex
	random        *rand.Rand
	customers     map[string]Customer
	subscriptions map[string]Subscription
	invoices      map[string]*record // by id; a closed draft is not among them
	order         []*record          // the same, as they were created
	created       int                // invoice records so far
	numbered      int                // numbers of the main sequence so far
	refused, lost int                // positions in Config.Refusals and Config.LostReplies
}

// New returns a site without customers.
func New(config Config) *Service {
	config = config.withDefaults()
	return &Service{
		config:        config,
		keys:          newKeys(config),
		limits:        newLimits(config),
		calls:         &calls{},
		outbox:        newOutbox(config.Now),
		random:        rand.New(rand.NewPCG(config.Seed, 0xc4a26ebee)),
		customers:     map[string]Customer{},
		subscriptions: map[string]Subscription{},
		invoices:      map[string]*record{},
	}
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call, unroutable := route(r)
	number := s.calls.begin(s.config.Now, call)
	answer := s.answer(r, call, unroutable)
	s.calls.end(number, answer)
	answer.write(w)
}

func (s *Service) answer(r *http.Request, call *call, unroutable error) answer {
	if !s.authentic(r) {
		return failure(errUnauthenticated)
	}
	leave, err := s.limits.enter(s.config.Now, r.Method)
	if err != nil {
		return failure(err)
	}
	defer leave()
	if unroutable != nil {
		return failure(unroutable)
	}
	if err := call.read(r); err != nil {
		return failure(err)
	}
	return s.suffer(r.Context(), call)
}

// handle lets a call take effect, unless its idempotency key says that it has.
// ctx bounds the wait for a simultaneous twin only: a call that was begun is
// ended, whether or not its caller still listens.
func (s *Service) handle(ctx context.Context, call *call) answer {
	if call.key == "" {
		return s.execute(call)
	}
	if err := checkKey(call.key); err != nil {
		return failure(err)
	}
	entry, first, err := s.keys.begin(call.key, call.fingerprint())
	if err != nil {
		return failure(err)
	}
	if first {
		answer := s.execute(call)
		s.keys.finish(entry, answer)
		return answer
	}
	select {
	case <-entry.done:
		answer := entry.answer
		answer.replayed = true
		return answer
	case <-ctx.Done():
		return answer{sent: nothing}
	}
}

func (s *Service) execute(call *call) answer {
	fields, err := call.operation.parameters.parse(call.form)
	if err != nil {
		return failure(err)
	}
	if call.locks() {
		unlock, err := s.lock(call.invoiceID)
		if err != nil {
			return failure(err)
		}
		defer unlock()
	}
	if s.config.Latency > 0 {
		<-time.After(s.config.Latency)
	}
	output, err := call.operation.run(s, call, fields)
	if err != nil {
		return failure(err)
	}
	return success(output)
}
