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
	"github.com/billable-events/billable/pkg/pace"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/settlement"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// errCrashed is what a crashed process gets from every call: nothing.
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
func (w *world) handleAndCrash(c *crash, body []byte) bool {
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	w.settler(c.wrap).Handle(ctx, &queue.Delivery{Message: queue.Message{ID: "message", Body: body, SentAt: time.Now()}})
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

// watched is a ledger that is watched: what shall happen right before a step is written,
// and right after. Both may be nil.
type watched struct {
	settlement.Ledger

	before, after func(billing.Step)
}

func (w watched) Commit(ctx context.Context, step billing.Step) error {
	if w.before != nil {
		w.before(step)
	}
	err := w.Ledger.Commit(ctx, step)
	if w.after != nil {
		w.after(step)
	}
	return err
}

// slowPermits makes a process sleep while it waits for a permit.
type slowPermits struct {
	settlement.Pacer

	sleep func()
}

func (p slowPermits) TryAcquire() *pace.Permit { return nil }

func (p slowPermits) Acquire(ctx context.Context) (*pace.Permit, error) {
	p.sleep()
	return p.Pacer.Acquire(ctx)
}

// exhausted is a pacer that has so many permits and no more.
type exhausted struct {
	settlement.Pacer

	left int
}

func (p *exhausted) TryAcquire() *pace.Permit {
	if p.left == 0 {
		return nil
	}
	p.left--
	return pace.NewPermit(time.Now(), nil)
}

func (p *exhausted) Acquire(ctx context.Context) (*pace.Permit, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// stalePermits hands out permits that are too old, as a process gets them that is
// slow between a permit and its call.
type stalePermits struct {
	settlement.Pacer

	stale func() bool
}

func (p stalePermits) TryAcquire() *pace.Permit {
	permit, _ := p.Acquire(context.Background())
	return permit
}

func (p stalePermits) Acquire(ctx context.Context) (*pace.Permit, error) {
	permit, err := p.Pacer.Acquire(ctx)
	if err == nil && p.stale() {
		defer permit.Release()
		return pace.NewPermit(time.Now().Add(-time.Second), nil), nil
	}
	return permit, err
}
