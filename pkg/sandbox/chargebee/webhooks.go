package chargebee

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
)

// retries has the delays after which a failed webhook is sent again: seven times,
// within three days and seven hours.
//
// https://support.chargebee.com/support/solutions/articles/257941
var retries = []time.Duration{
	2 * time.Minute, 6 * time.Minute, 30 * time.Minute,
	time.Hour, 5 * time.Hour, 24 * time.Hour, 48 * time.Hour,
}

// Endpoint is the receiver of webhooks.
type Endpoint struct {
	URL                string
	Username, Password string       // HTTP Basic; both empty: none
	Client             *http.Client // defaults to http.DefaultClient; redirects are not followed

	// Concurrency is the number of webhooks that are sent at once: renewals run on a pool
	// of threads, and come in bursts. Defaults to 10.
	Concurrency int
	// Timeout is the maximum duration of one request. Defaults to 20 s, as
	// live sites read.
	Timeout time.Duration
	// RetryScale multiplies the delays before retries. Defaults to 1.
	RetryScale float64
}

func (e Endpoint) withDefaults() Endpoint {
	client := http.DefaultClient
	if e.Client != nil {
		client = e.Client
	}
	copied := *client
	copied.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	e.Client = &copied
	if e.Concurrency == 0 {
		e.Concurrency = 10
	}
	if e.Timeout == 0 {
		e.Timeout = 20 * time.Second
	}
	if e.RetryScale == 0 {
		e.RetryScale = 1
	}
	return e
}

// Deliver sends webhooks until ctx ends, and returns when the last one in flight
// has ended too. What was not sent, or was cut short by the end, is sent by
// the next Deliver; at most one runs at a time. The error is not nil if the
// endpoint cannot be used at all.
func (s *Service) Deliver(ctx context.Context, endpoint Endpoint) error {
	if target, err := url.Parse(endpoint.URL); err != nil || target.Host == "" {
		return errors.New("chargebee: the URL of the webhook endpoint is not absolute")
	}
	endpoint = endpoint.withDefaults()
	slots := make(chan struct{}, endpoint.Concurrency)
	var sending sync.WaitGroup
	defer sending.Wait()
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		delivery, ok := s.outbox.next(ctx)
		if !ok {
			return nil
		}
		sending.Go(func() {
			defer func() { <-slots }()
			s.send(ctx, endpoint, delivery)
		})
	}
}

// send sends one webhook and records the result.
func (s *Service) send(ctx context.Context, endpoint Endpoint, d delivery) {
	body, wanted := s.outbox.open(d)
	if !wanted {
		return
	}
	fault := s.fault("webhook")
	if fault.Delay > 0 {
		select {
		case <-time.After(fault.Delay):
		case <-ctx.Done():
			s.outbox.putBack(d)
			return
		}
	}
	if fault.Kind == sandbox.ApplyLate {
		s.outbox.settle(d, Attempt{At: s.config.Now(), Problem: sandbox.ErrConnectionCut.Error()}, endpoint.RetryScale)
		select {
		case <-time.After(fault.Late):
			endpoint.post(ctx, s.config.Now(), body)
		case <-ctx.Done():
		}
		return
	}
	attempt := endpoint.post(ctx, s.config.Now(), body)
	if ctx.Err() != nil && attempt.Status == 0 {
		s.outbox.putBack(d)
		return
	}
	if fault.Kind == sandbox.LoseReply {
		attempt.Status, attempt.Problem = 0, sandbox.ErrConnectionCut.Error()
	}
	s.outbox.settle(d, attempt, endpoint.RetryScale)
	if fault.Kind == sandbox.Duplicate && !d.extra {
		s.outbox.putBack(delivery{event: d.event, at: s.config.Now().Add(fault.Late), extra: true})
	}
}

func (e Endpoint) post(ctx context.Context, now time.Time, body []byte) Attempt {
	attempt := Attempt{At: now}
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, bytes.NewReader(body))
	if err != nil {
		attempt.Problem = err.Error()
		return attempt
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "ChargeBee")
	if e.Username != "" || e.Password != "" {
		request.SetBasicAuth(e.Username, e.Password)
	}
	response, err := e.Client.Do(request)
	if err != nil {
		attempt.Problem = err.Error()
		return attempt
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxBody)) // so that the connection can be used again
	attempt.Status = response.StatusCode
	return attempt
}

// open returns the body of a delivery, unless the event needs none any more.
func (o *outbox) open(d delivery) (body []byte, wanted bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if d.event.Status == WebhookSucceeded && !d.extra {
		return nil, false
	}
	return d.event.webhook(), true
}

func (o *outbox) putBack(d delivery) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.push(d)
}

// settle enters an attempt: any 2xx is a success, anything else is tried again
// later, as long as the schedule lasts.
func (o *outbox) settle(d delivery, attempt Attempt, retryScale float64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	event := d.event
	event.Attempts = append(event.Attempts, attempt)
	if attempt.Status >= 200 && attempt.Status <= 299 {
		event.Status = WebhookSucceeded
		return
	}
	if d.extra || event.Status == WebhookSucceeded {
		return
	}
	if event.attempts == len(retries) {
		event.Status = WebhookFailed
		return
	}
	delay := time.Duration(float64(retries[event.attempts]) * retryScale)
	event.attempts++
	event.Status = WebhookReScheduled
	o.push(delivery{event: event, at: o.now().Add(delay)})
}

// Resend sends an event's webhook once more, as an operator can at any time.
func (s *Service) Resend(eventID string) error {
	s.outbox.mu.Lock()
	defer s.outbox.mu.Unlock()
	found, ok := s.outbox.byID[eventID]
	if !ok {
		return notFound(eventID, "")
	}
	s.outbox.push(delivery{event: found, at: s.outbox.now(), extra: true})
	return nil
}

// Deliveries counts webhooks by result.
type Deliveries struct {
	Events   map[string]int // events by status, one of the Webhook… constants
	Attempts map[int]int    // attempts by the endpoint's HTTP status; 0: no answer
	Pending  int            // deliveries that are still scheduled
}

// Deliveries counts all webhooks so far.
func (s *Service) Deliveries() Deliveries {
	s.outbox.mu.Lock()
	defer s.outbox.mu.Unlock()
	counted := Deliveries{Events: map[string]int{}, Attempts: map[int]int{}, Pending: len(s.outbox.due)}
	for _, event := range s.outbox.events {
		counted.Events[event.Status]++
		for _, attempt := range event.Attempts {
			counted.Attempts[attempt.Status]++
		}
	}
	return counted
}

// outbox holds the events and the webhooks that are to be sent.
type outbox struct {
	now  func() time.Time
	wake chan struct{} // signals an earlier delivery

	mu     sync.Mutex
	events []*event
	byID   map[string]*event
	due    schedule
	pushed int // deliveries so far
}

// delivery is one webhook to be sent.
type delivery struct {
	event *event
	at    time.Time
	// extra is a delivery outside the schedule: a resend, or a
	// duplicate. It is sent whatever became of the event, and its failure
	// causes no retry.
	extra    bool
	sequence int // of its scheduling, among those due together
}

func newOutbox(now func() time.Time) *outbox {
	return &outbox{now: now, wake: make(chan struct{}, 1), byID: map[string]*event{}}
}

// record enters an event, and schedules it unless it is not to be sent.
func (o *outbox) record(e *event) Event {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, e)
	o.byID[e.ID] = e
	if e.Status == WebhookScheduled {
		o.push(delivery{event: e, at: e.OccurredAt})
	}
	return e.snapshot()
}

// push schedules a delivery. The caller holds o.mu.
func (o *outbox) push(d delivery) {
	o.pushed++
	d.sequence = o.pushed
	heap.Push(&o.due, d)
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// next waits until a delivery is due and takes it out; ok is false when ctx
// ends first.
func (o *outbox) next(ctx context.Context) (d delivery, ok bool) {
	for ctx.Err() == nil {
		o.mu.Lock()
		var timer <-chan time.Time // nil, as long as nothing is scheduled
		if len(o.due) > 0 {
			wait := o.due[0].at.Sub(o.now())
			if wait <= 0 {
				d = heap.Pop(&o.due).(delivery)
				o.mu.Unlock()
				return d, true
			}
			timer = time.After(wait)
		}
		o.mu.Unlock()
		select {
		case <-timer:
		case <-o.wake:
		case <-ctx.Done():
		}
	}
	return delivery{}, false
}

// schedule is a heap of deliveries, the earliest first.
type schedule []delivery

func (s schedule) Len() int      { return len(s) }
func (s schedule) Swap(i, j int) { s[i], s[j] = s[j], s[i] }
func (s schedule) Less(i, j int) bool {
	if !s[i].at.Equal(s[j].at) {
		return s[i].at.Before(s[j].at)
	}
	return s[i].sequence < s[j].sequence
}

// Push implements heap.Interface.
func (s *schedule) Push(x any) { *s = append(*s, x.(delivery)) }

// Pop implements heap.Interface.
func (s *schedule) Pop() any {
	last := len(*s) - 1
	d := (*s)[last]
	*s = (*s)[:last]
	return d
}
