package chargebee

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Service is one Chargebee site. It is safe for concurrent use.
type Service struct {
	config  Config
	keys    *keys
	limits  *limits
	calls   *calls
	outbox  *outbox
	cursors *cursors

	mu            sync.Mutex
	random        *rand.Rand
	customers     map[string]Customer
	subscriptions map[string]Subscription
	itemPrices    map[string]ItemPrice
	invoices      map[string]*record // by id; a closed draft is not among them
	closedDrafts  map[string]bool    // by id
	order         []*record          // the same, as they were created
	erased        []*record          // as they went, as far back as GETs may look
	waiting       []deadline         // for their automatic close, the first to come first
	created       int                // invoice records so far
	numbered      int                // numbers of the main sequence so far
	maintenance   *Error             // what calls are turned away with; nil: none is

	throttled, refused, lost int // positions in Config.Throttles, Refusals and LostReplies
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
		cursors:       newCursors(config.Seed),
		random:        rand.New(rand.NewPCG(config.Seed, 0xc4a26ebee)),
		customers:     map[string]Customer{},
		subscriptions: map[string]Subscription{},
		itemPrices:    map[string]ItemPrice{},
		invoices:      map[string]*record{},
		closedDrafts:  map[string]bool{},
	}
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call, unroutable := route(r)
	number := s.calls.begin(s.config.Now, call)
	answer := s.answer(r, call, unroutable)
	s.calls.end(number, answer)
	w.Header().Set("Date", s.config.Now().UTC().Format(http.TimeFormat)) // the site's clock, not the machine's
	answer.write(w)
}

func (s *Service) answer(r *http.Request, call *call, unroutable error) answer {
	if !s.authentic(r) {
		return failure(ErrUnauthenticated)
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
	return s.admit(ctx, call)()
}

// admit looks at the state of the site and at a call's key, and returns the
// rest of the work.
func (s *Service) admit(ctx context.Context, call *call) (work func() answer) {
	refuse := func(err error) func() answer { return func() answer { return failure(err) } }
	if refusal := s.maintained(call); refusal != nil {
		return refuse(refusal)
	}
	if call.key == "" {
		return func() answer { return s.execute(call) }
	}
	if err := checkKey(call.key); err != nil {
		return refuse(err)
	}
	entry, first, err := s.keys.begin(call.key, call.fingerprint())
	switch {
	case err != nil:
		return refuse(err)
	case first:
		return func() answer {
			answer := s.execute(call)
			s.keys.finish(entry, answer)
			return answer
		}
	default:
		return func() answer { return entry.wait(ctx) }
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
