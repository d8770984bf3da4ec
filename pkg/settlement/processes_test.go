package settlement_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/ratelimit/ratelimittest"
	"github.com/billable-events/billable/pkg/settlement"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// errCrashed is the result of every call of a crashed process.
var errCrashed = errors.New("the process is gone")

// crash ends a process at one of its calls: before the call is sent, or after it
// had its effect and before its answer arrives. Later calls reach nothing.
type crash struct {
	at    int  // which call, counted from 1
	after bool // the call has its effect

	mu    sync.Mutex
	calls int
}

func (c *crash) wrap(_ string, transport http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		c.mu.Lock()
		c.calls++
		call := c.calls
		c.mu.Unlock()
		switch {
		case call < c.at:
			return transport.RoundTrip(request)
		case call == c.at && c.after:
			if response, err := transport.RoundTrip(request); err == nil {
				response.Body.Close()
			}
			return nil, errCrashed
		default:
			return nil, errCrashed
		}
	})
}

// handleAndCrash handles the message in a process that ends at one of its calls,
// and returns whether it got so far.
func (f *fixture) handleAndCrash(c *crash, body []byte) bool {
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	f.settler(c.wrap).Handle(ctx, &queue.Delivery{Message: queue.Message{ID: "message", Body: body, SentAt: time.Now()}})
	return c.calls >= c.at
}

// bodyOf reads a request's body and puts it back.
func bodyOf(request *http.Request) string {
	body, _ := io.ReadAll(request.Body)
	request.Body = io.NopCloser(bytes.NewReader(body))
	return string(body)
}

// onTheWayTo lets something happen to each request of a process to a service before it
// is sent. An error is all that the process gets for it.
func onTheWayTo(service string, happens func(*http.Request) error) func(string, http.RoundTripper) http.RoundTripper {
	return func(called string, transport http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			if called == service {
				if err := happens(request); err != nil {
					return nil, err
				}
			}
			return transport.RoundTrip(request)
		})
	}
}

// requests counts what a process asks of DynamoDB and of Chargebee.
type requests struct{ dynamodb, chargebee []string }

func (r *requests) wrap(service string, transport http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		if service == "dynamodb" {
			_, operation, _ := strings.Cut(request.Header.Get("X-Amz-Target"), ".")
			r.dynamodb = append(r.dynamodb, operation)
		} else {
			r.chargebee = append(r.chargebee, request.URL.Path)
		}
		return transport.RoundTrip(request)
	})
}

// watched is a ledger with a function that runs right before a step is written,
// and one right after. Both may be nil.
type watched struct {
	settlement.Ledger

	before, after func(billing.Step)
}

func (f watched) Commit(ctx context.Context, step billing.Step) error {
	if f.before != nil {
		f.before(step)
	}
	err := f.Ledger.Commit(ctx, step)
	if f.after != nil {
		f.after(step)
	}
	return err
}

// slowPermits makes a process sleep while it waits for a permit.
type slowPermits struct {
	settlement.RateLimiter

	sleep func()
}

func (p slowPermits) Acquire(ctx context.Context) (*ratelimit.Permit, error) {
	p.sleep()
	return p.RateLimiter.Acquire(ctx)
}

// exhausted grants the given number of permits and no more.
type exhausted struct {
	settlement.RateLimiter

	left int
}

func (p *exhausted) Acquire(ctx context.Context) (*ratelimit.Permit, error) {
	if p.left > 0 {
		p.left--
		return ratelimittest.Permit(time.Now), nil
	}
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// expiredPermits grants permits that have expired: those of a process that is slow between
// a permit and its call.
type expiredPermits struct {
	settlement.RateLimiter

	expired func() bool
}

func (p expiredPermits) Acquire(ctx context.Context) (*ratelimit.Permit, error) {
	if p.expired() {
		return &ratelimit.Permit{}, nil
	}
	return p.RateLimiter.Acquire(ctx)
}
