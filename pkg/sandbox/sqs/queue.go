package sqs

import (
	"container/list"
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
)

// queue is one queue. All of it is guarded by Service.mu.
type queue struct {
	name       string
	serial     uint64     // tells two queues of one name apart
	random     *rand.Rand // of its own, so that what happens on other queues does not matter here
	settings   settings
	tags       map[string]string
	createdAt  time.Time
	modifiedAt time.Time
	purgedAt   time.Time

	messages map[messageID]*message
	visible  *list.List // of *message, the one that waits longest first
	due      schedule   // delayed and in-flight messages by when they become visible
	expiry   schedule   // all messages by when they were sent
	delayed  int
	inFlight int

	waiting *list.List  // of *poll, the one that waits longest first
	alarm   *time.Timer // runs while polls wait and a message is due
	rings   time.Time   // when alarm does

	tasks []*moveTask // the latest first
}

func newQueue(name string, serial uint64) *queue {
	return &queue{
		name:     name,
		serial:   serial,
		random:   rand.New(rand.NewPCG(serial, 0x5715)),
		tags:     map[string]string{},
		messages: map[messageID]*message{},
		visible:  list.New(),
		waiting:  list.New(),
		due: schedule{
			at:   func(m *message) time.Time { return m.due },
			slot: func(m *message) *int { return &m.dueSlot },
		},
		expiry: schedule{
			at:   func(m *message) time.Time { return m.sentAt },
			slot: func(m *message) *int { return &m.expirySlot },
		},
	}
}

// settle drops what is past its retention and brings in what has become
// visible by now.
func (q *queue) settle(now time.Time) {
	retention := seconds(q.settings.retention)
	for m := q.expiry.first(); m != nil && !m.sentAt.Add(retention).After(now); m = q.expiry.first() {
		q.remove(m)
	}
	for m := q.due.first(); m != nil && !m.due.After(now); m = q.due.first() {
		q.show(m)
	}
}

// add takes in a message that becomes visible after delay.
func (q *queue) add(m *message, now time.Time, delay time.Duration) {
	q.messages[m.id] = m
	q.expiry.add(m)
	if delay > 0 {
		q.hide(m, Delayed, now.Add(delay))
	} else {
		q.show(m)
	}
}

// remove takes a message out, wherever it stands.
func (q *queue) remove(m *message) {
	q.unplace(m)
	q.expiry.remove(m)
	delete(q.messages, m.id)
}

// show makes a message visible, behind those that are.
func (q *queue) show(m *message) {
	q.unplace(m)
	m.state = Visible
	m.element = q.visible.PushBack(m)
}

// hide makes a message invisible until due.
func (q *queue) hide(m *message, state State, due time.Time) {
	q.unplace(m)
	m.state, m.due = state, due
	q.due.add(m)
	switch state {
	case Delayed:
		q.delayed++
	case InFlight:
		q.inFlight++
	}
}

func (q *queue) unplace(m *message) {
	switch m.state {
	case Visible:
		q.visible.Remove(m.element)
		m.element = nil
	case Delayed:
		q.due.remove(m)
		q.delayed--
	case InFlight:
		q.due.remove(m)
		q.inFlight--
	}
	m.state = ""
}

// clear drops all messages.
func (q *queue) clear() {
	fresh := newQueue(q.name, q.serial)
	q.messages, q.visible, q.due, q.expiry = fresh.messages, fresh.visible, fresh.due, fresh.expiry
	q.delayed, q.inFlight = 0, 0
}

// newID draws a version 4 UUID.
func (q *queue) newID() messageID {
	var id messageID
	binary.BigEndian.PutUint64(id[:8], q.random.Uint64())
	binary.BigEndian.PutUint64(id[8:], q.random.Uint64())
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}

// lateness draws how much later than it should a message becomes visible.
func (q *queue) lateness(fault sandbox.Fault) time.Duration {
	if fault.Kind != sandbox.DeliverLate || fault.Late <= 0 {
		return 0
	}
	return 1 + time.Duration(q.random.Int64N(int64(fault.Late)))
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
