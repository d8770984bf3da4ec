package sqs

import (
	"container/list"
	"context"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
)

// poll is one call of ReceiveMessage.
type poll struct {
	context context.Context
	input   receiveInput
	max     int
	fault   sandbox.Fault // of a Duplicate, what the poll gets is delivered once more

	// While the poll waits, others change these under Service.mu.
	queue   *queue        // on which it waits
	element *list.Element // among those that wait there, nil when it does not wait
	got     []delivery
	err     error
	served  chan struct{} // closed when got and err of a waiting poll are there
}

// receive fills p.got. If no message is visible it waits for the wait time of the poll, or
// else of the queue.
//
// Waiting polls are served in the order of their arrival. A caller that leaves while it
// waits loses nothing: messages delivered to it return to their place, as if never received.
func (s *Service) receive(p *poll) error {
	var wait time.Duration // stays 0 when the poll does not wait
	err := s.onQueue(p.input.QueueURL, func(q *queue, now time.Time) error {
		if p.context.Err() != nil {
			return p.context.Err()
		}
		p.got = s.deliver(q, p, now)
		if len(p.got) > 0 {
			return nil
		}
		wait = seconds(q.settings.wait)
		if p.input.WaitTimeSeconds != nil {
			wait = seconds(*p.input.WaitTimeSeconds)
		}
		if wait > 0 {
			p.join(q)
		} else if q.inFlight >= s.config.MaxInFlight {
			return overLimit.errorf("Too many messages in flight.")
		}
		return nil
	})
	if err != nil || wait == 0 {
		return err
	}

	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-p.served:
	case <-timer.C:
	case <-p.context.Done():
	}
	return s.locked(func(now time.Time) error {
		s.touch(p.queue)
		s.serveTouched(now) // what became visible at the last moment
		p.leave()
		if p.context.Err() != nil {
			s.undoReceives(p.queue, p.got)
			return p.context.Err()
		}
		return p.err
	})
}

// join starts the waiting.
func (p *poll) join(q *queue) {
	p.queue = q
	p.element = q.waiting.PushBack(p)
}

// leave ends the waiting. It may be called again.
func (p *poll) leave() {
	if p.element == nil {
		return
	}
	p.queue.waiting.Remove(p.element)
	p.element = nil
}

// end gives a waiting poll its result.
func (p *poll) end(got []delivery, err error) {
	p.leave()
	p.got, p.err = got, err
	close(p.served)
}

// serveTouched serves the polls that wait on the touched queues. Serving one
// queue may touch another: its dead-letter queue.
func (s *Service) serveTouched(now time.Time) {
	for len(s.touched) > 0 {
		last := len(s.touched) - 1
		q := s.touched[last]
		s.touched = s.touched[:last]
		s.serve(q, now)
	}
}

func (s *Service) serve(q *queue, now time.Time) {
	for {
		q.advance(now)
		front := q.waiting.Front()
		if front == nil || q.visible.Len() == 0 || q.inFlight >= s.config.MaxInFlight {
			break
		}
		p := front.Value.(*poll)
		if p.context.Err() != nil {
			p.leave()
			continue
		}
		if got := s.deliver(q, p, now); len(got) > 0 {
			p.end(got, nil)
		}
	}
	s.setAlarm(q, now)
}

// setAlarm serves the queue when its next message becomes visible, as long as polls wait.
func (s *Service) setAlarm(q *queue, now time.Time) {
	next := q.due.first()
	if q.waiting.Len() == 0 || next == nil {
		q.stopAlarm()
		return
	}
	if q.alarm != nil && q.alarmAt.Equal(next.due) {
		return
	}
	q.stopAlarm()
	q.alarmAt = next.due
	q.alarm = time.AfterFunc(next.due.Sub(now), func() {
		_ = s.locked(func(time.Time) error {
			q.stopAlarm()
			s.touch(q)
			return nil
		})
	})
}

func (q *queue) stopAlarm() {
	if q.alarm != nil {
		q.alarm.Stop()
		q.alarm = nil
	}
}
