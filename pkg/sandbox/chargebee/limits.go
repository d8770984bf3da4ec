package chargebee

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// window is the time over which requests are counted.
const window = time.Minute

// limits is the site's rate and concurrency limit. All requests with a valid
// key count, refused ones too; exceeding a limit blocks the whole site.
//
// https://www.chargebee.com/docs/billing/2.0/kb/platform/what-are-the-chargebee-api-limits
type limits struct {
	config Config

	mu           sync.Mutex
	arrivals     []time.Time // ring of the last RequestsPerMinute arrivals
	oldest       int         // position of the oldest of them
	blockedUntil time.Time
	inFlight     map[string]int // by method
	rejections   int
}

func newLimits(config Config) *limits {
	return &limits{
		config:   config,
		arrivals: make([]time.Time, config.RequestsPerMinute),
		inFlight: map[string]int{},
	}
}

// enter admits a request until it calls leave, or returns the refusal.
func (l *limits) enter(method string) (leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.config.Now()

	crossed := l.count(now) || l.crowded(method)
	if crossed && !now.Before(l.blockedUntil) {
		l.blockedUntil = now.Add(l.config.BlockFor)
	}
	if now.Before(l.blockedUntil) {
		l.rejections++
		if l.config.NoRetryAfter {
			return nil, ErrRateLimited
		}
		return nil, ErrRateLimited.After(l.blockedUntil.Sub(now))
	}
	l.inFlight[method]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.inFlight[method]--
	}, nil
}

// count records an arrival and reports whether it exceeds the limit: whether the
// request as many places before it as the limit is less than a window old.
func (l *limits) count(now time.Time) (crossed bool) {
	if len(l.arrivals) == 0 {
		return false
	}
	oldest := l.arrivals[l.oldest]
	l.arrivals[l.oldest] = now
	l.oldest = (l.oldest + 1) % len(l.arrivals)
	return !oldest.IsZero() && now.Sub(oldest) < window
}

// crowded reports whether one more request is too many at once.
func (l *limits) crowded(method string) bool {
	full := func(limit, used int) bool { return limit > 0 && used >= limit }
	used := 0
	for _, n := range l.inFlight {
		used += n
	}
	return full(l.config.MaxConcurrent, used) ||
		method == http.MethodGet && full(l.config.MaxConcurrentGET, l.inFlight[method]) ||
		method == http.MethodPost && full(l.config.MaxConcurrentPOST, l.inFlight[method])
}

// RateLimited returns the number of requests that were answered 429 because of the site's
// rate or concurrency limit.
func (s *Service) RateLimited() int {
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	return s.limits.rejections
}

// Call is one request that arrived.
type Call struct {
	At        time.Time // of its arrival
	InvoiceID string    // "" for lists
	Operation string    // add_charge, add_charge_item, close, retrieve, list or unknown

	Status   int    // HTTP status; 0: not answered, or not yet
	Code     string // api_error_code of a refusal
	Replayed bool   // the answer was another call's, under the same key
}

// calls is the log of requests.
type calls struct {
	mu  sync.Mutex
	log []Call
}

// begin takes the time itself, so that the log is in the order of arrival.
func (c *calls) begin(clock func() time.Time, call *call) (number int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, Call{At: clock(), Operation: call.operation.name, InvoiceID: call.invoiceID})
	return len(c.log) - 1
}

func (c *calls) end(number int, answer answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	logged := &c.log[number]
	if answer.sent != nothing {
		logged.Status, logged.Code, logged.Replayed = answer.status, answer.code, answer.replayed
	}
}

// Calls returns all requests so far, in the order of their arrival.
func (s *Service) Calls() []Call {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	return slices.Clone(s.calls.log)
}

// Busiest returns the largest number of calls, in the order of their arrival, within
// any stretch of time shorter than span. Those without a valid key do not count.
func Busiest(calls []Call, span time.Duration) int {
	calls = slices.DeleteFunc(slices.Clone(calls), func(c Call) bool { return c.Status == http.StatusUnauthorized })
	most, first := 0, 0
	for last := range calls {
		for calls[last].At.Sub(calls[first].At) >= span {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}
