package chargebee

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// outbox holds the events and the webhooks that are to be sent.
type outbox struct {
	now  func() time.Time
	wake chan struct{} // tells the deliverer that something earlier came in

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
	// extra is a delivery beside the schedule: a person's resend, or a
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
	e.sequence = len(o.events)
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
