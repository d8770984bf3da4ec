package chargebee

import (
	"net/http"
	"sync"
	"time"
)

// window is the time over which requests are counted.
const window = time.Minute

// limits is the site's rate and concurrency limit. All requests with a valid
// key count, refused ones too; whoever crosses a limit gets the whole site
// blocked.
//
// https://www.chargebee.com/docs/billing/2.0/kb/platform/what-are-the-chargebee-api-limits
type limits struct {
	concurrent, gets, posts int // limits; 0: none
	blockFor                time.Duration
	noRetryAfter            bool

	mu           sync.Mutex
	arrivals     []time.Time // ring of the last RequestsPerMinute arrivals
	oldest       int         // position of the oldest of them
	blockedUntil time.Time
	inFlight     map[string]int // by method
	rejections   int
}

func newLimits(config Config) *limits {
	return &limits{
		concurrent:   config.MaxConcurrent,
		gets:         config.MaxConcurrentGET,
		posts:        config.MaxConcurrentPOST,
		blockFor:     config.BlockFor,
		noRetryAfter: config.NoRetryAfter,
		arrivals:     make([]time.Time, config.RequestsPerMinute),
		inFlight:     map[string]int{},
	}
}

// enter lets a request in, until it calls leave, or tells why not.
func (l *limits) enter(clock func() time.Time, method string) (leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := clock()

	crossed := l.count(now) || l.crowded(method)
	if crossed && !now.Before(l.blockedUntil) {
		l.blockedUntil = now.Add(l.blockFor)
	}
	if now.Before(l.blockedUntil) {
		l.rejections++
		if l.noRetryAfter {
			return nil, ErrRateLimited
		}
		return nil, rateLimited(l.blockedUntil.Sub(now))
	}
	l.inFlight[method]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.inFlight[method]--
	}, nil
}

// count enters an arrival and tells whether it was one too many: whether the
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

// crowded tells whether one more request is too many at once.
func (l *limits) crowded(method string) bool {
	full := func(limit, used int) bool { return limit > 0 && used >= limit }
	used := 0
	for _, n := range l.inFlight {
		used += n
	}
	return full(l.concurrent, used) ||
		method == http.MethodGet && full(l.gets, l.inFlight[method]) ||
		method == http.MethodPost && full(l.posts, l.inFlight[method])
}

// RateLimited is how many requests were answered 429 because of the site's
// rate or concurrency limit.
func (s *Service) RateLimited() int {
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	return s.limits.rejections
}
