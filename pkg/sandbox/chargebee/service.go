package chargebee

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"strings"
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
	subscriptions map[string]Subscription
	itemPrices    map[string]ItemPrice
	invoices      map[string]*record // by id; a closed draft is not among them
	closedDrafts  map[string]bool    // by id
	order         []*record          // the same, as they were created
	erased        []*record          // as they went, as far back as GETs may look
	waiting       []deadline         // for their automatic close, the first to come first
	created       int                // invoice records so far
	numbered      int                // numbers of the main sequence so far

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
	leave, err := s.limits.enter(r.Method)
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
	return s.applyFault(r.Context(), call)
}

// handle executes a call, unless its idempotency key was already used. ctx bounds only the
// wait for a concurrent duplicate: a call that was begun ends even if its caller has left.
func (s *Service) handle(ctx context.Context, call *call) answer {
	return s.admit(ctx, call)()
}

// admit checks the state of the site and the key of a call, and returns the rest of the
// work.
func (s *Service) admit(ctx context.Context, call *call) (work func() answer) {
	refuse := func(err error) func() answer { return func() answer { return failure(err) } }
	if call.key == "" {
		return func() answer { return s.execute(call) }
	}
	if err := checkKey(call.key); err != nil {
		return refuse(err)
	}
	entry, first, err := s.keys.begin(s.keyOf(call), call.fingerprint())
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

const (
	root = "/api/v2/"

	keyHeader    = "chargebee-idempotency-key"
	schemaHeader = "chargebee-response-schema-type"

	maxBody = 1 << 20 // bytes
)

var errNoForm = &Error{
	Status: http.StatusBadRequest, Type: invalidRequest, Code: "invalid_request",
	Message: "The request body must be application/x-www-form-urlencoded",
}

// operation is one thing that the API does.
type operation struct {
	name       string
	parameters parameters
	run        func(*Service, *call, fields) (any, error)
}

// actions are the operations of POST /invoices/{id}/{action}.
var actions = map[string]*operation{
	"add_charge":      {"add_charge", addChargeParameters, (*Service).addCharge},
	"add_charge_item": {"add_charge_item", addChargeItemParameters, (*Service).addChargeItem},
	"close":           {"close", closeParameters, (*Service).closePending},
}

var (
	retrieveOperation = &operation{"retrieve", retrieveParameters, (*Service).retrieve}
	listOperation     = &operation{"list", listParameters, (*Service).list}
	noOperation       = &operation{name: "unknown"}
)

// call is one request, once it is known what it asks for.
type call struct {
	operation *operation
	invoiceID string // "" for lists
	method    string
	path      string // as sent, without the query
	key       string // idempotency key of a POST
	apiKey    string // the header with it
	schema    string // the requested form of the answer; "": none
	body      []byte
	form      url.Values
	lag       time.Duration // how far back in time a GET looks
}

// route finds out what a request asks for. The call is usable for the log even
// when there is an error.
func route(r *http.Request) (*call, error) {
	call := &call{operation: noOperation, method: r.Method, path: r.URL.EscapedPath()}
	rest, ok := strings.CutPrefix(call.path, root)
	if !ok {
		return call, ErrResourceNotFound
	}
	segments := strings.Split(rest, "/")
	for i, segment := range segments {
		plain, err := url.PathUnescape(segment)
		if err != nil || plain == "" {
			return call, ErrResourceNotFound
		}
		segments[i] = plain
	}

	wanted := http.MethodGet
	switch {
	case segments[0] != "invoices" || len(segments) > 3:
		return call, ErrResourceNotFound
	case len(segments) == 1:
		call.operation = listOperation
	case len(segments) == 2:
		call.operation, call.invoiceID = retrieveOperation, segments[1]
	default:
		wanted = http.MethodPost
		call.invoiceID = segments[1]
		action, known := actions[segments[2]]
		if !known {
			return call, ErrResourceNotFound
		}
		call.operation = action
	}
	if r.Method != wanted {
		return call, ErrMethodNotSupported
	}
	if r.Method == http.MethodPost {
		call.key = r.Header.Get(keyHeader)
	}
	call.apiKey = r.Header.Get("Authorization")
	call.schema = r.Header.Get(schemaHeader)
	return call, nil
}

// read takes in the body, or the query of a GET.
func (c *call) read(r *http.Request) error {
	if c.method == http.MethodGet {
		return c.readForm(r.URL.RawQuery)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil || len(body) > maxBody {
		return errNoForm
	}
	if len(body) > 0 {
		media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || media != "application/x-www-form-urlencoded" {
			return errNoForm
		}
	}
	c.body = body
	return c.readForm(string(body))
}

func (c *call) readForm(encoded string) error {
	form, err := url.ParseQuery(encoded)
	if err != nil {
		return errNoForm
	}
	c.form = form
	return nil
}

// keyOf returns what identifies the idempotency key of a call.
func (s *Service) keyOf(call *call) string {
	if s.config.KeysPerAPIKey {
		return call.apiKey + " " + call.key
	}
	return call.key
}

// locks reports whether simultaneous calls for the same invoice exclude each other.
func (c *call) locks() bool { return c.method == http.MethodPost }

// fingerprint returns a hash of path and body.
func (c *call) fingerprint() [sha256.Size]byte {
	return sha256.Sum256(bytes.Join([][]byte{[]byte(c.path), c.body}, []byte{'\n'}))
}

// authentic checks the key by hand: net/http's BasicAuth wants a colon, which
// Chargebee's Go client does not send. Other clients send it with a blank
// password after it.
func (s *Service) authentic(r *http.Request) bool {
	scheme, encoded, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Basic") {
		return false
	}
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return false
	}
	key := strings.TrimSuffix(string(decoded), ":")
	if s.config.APIKey == "" {
		return key != ""
	}
	return subtle.ConstantTimeCompare([]byte(key), []byte(s.config.APIKey)) == 1
}
