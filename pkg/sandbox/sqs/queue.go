package sqs

import (
	"cmp"
	"container/heap"
	"container/list"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
)

// queue is one queue. All of it is guarded by Service.mu.
type queue struct {
	name       string
	serial     uint64     // distinguishes two queues of one name
	random     *rand.Rand // independent of other queues
	settings   settings
	createdAt  time.Time
	modifiedAt time.Time

	messages map[messageID]*message
	visible  *list.List // of *message, the one that waits longest first
	due      schedule   // delayed and in-flight messages by when they become visible
	expiry   schedule   // all messages by when they were sent
	delayed  int
	inFlight int

	waiting *list.List  // of *poll, the one that waits longest first
	alarm   *time.Timer // runs while polls wait and a message is due
	alarmAt time.Time
}

func newQueue(name string, serial uint64) *queue {
	return &queue{
		name:     name,
		serial:   serial,
		random:   rand.New(rand.NewPCG(serial, 0x5715)),
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

// advance drops messages past their retention and makes those visible that are due.
func (q *queue) advance(now time.Time) {
	retention := seconds(q.settings.retention)
	for m := q.expiry.first(); m != nil && !m.sentAt.Add(retention).After(now); m = q.expiry.first() {
		q.remove(m)
	}
	for m := q.due.first(); m != nil && !m.due.After(now); m = q.due.first() {
		q.show(m)
	}
}

// add adds a message that becomes visible after delay.
func (q *queue) add(m *message, now time.Time, delay time.Duration) {
	q.messages[m.id] = m
	q.expiry.add(m)
	if delay > 0 {
		q.hide(m, Delayed, now.Add(delay))
	} else {
		q.show(m)
	}
}

// remove removes a message in any state.
func (q *queue) remove(m *message) {
	q.detach(m)
	q.expiry.remove(m)
	delete(q.messages, m.id)
}

// show makes a message visible, behind those that are.
func (q *queue) show(m *message) {
	q.detach(m)
	m.state = Visible
	m.element = q.visible.PushBack(m)
}

// hide makes a message invisible until due.
func (q *queue) hide(m *message, state State, due time.Time) {
	q.detach(m)
	m.state, m.due = state, due
	q.due.add(m)
	switch state {
	case Delayed:
		q.delayed++
	case InFlight:
		q.inFlight++
	}
}

func (q *queue) detach(m *message) {
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

// schedule is a heap of messages by one of their times, the earliest first. Each
// message stores its slot, so that it can be removed from the middle.
type schedule struct {
	entries []*message
	at      func(*message) time.Time
	slot    func(*message) *int
}

func (s *schedule) add(m *message)    { heap.Push(s, m) }
func (s *schedule) remove(m *message) { heap.Remove(s, *s.slot(m)) }

// first returns the message whose time comes first, nil when there is none.
func (s *schedule) first() *message {
	if len(s.entries) == 0 {
		return nil
	}
	return s.entries[0]
}

// Len implements heap.Interface.
func (s *schedule) Len() int { return len(s.entries) }

// Less implements heap.Interface.
func (s *schedule) Less(i, j int) bool {
	a, b := s.entries[i], s.entries[j]
	if order := s.at(a).Compare(s.at(b)); order != 0 {
		return order < 0
	}
	return a.sequence < b.sequence
}

// Swap implements heap.Interface.
func (s *schedule) Swap(i, j int) {
	s.entries[i], s.entries[j] = s.entries[j], s.entries[i]
	*s.slot(s.entries[i]), *s.slot(s.entries[j]) = i, j
}

// Push implements heap.Interface.
func (s *schedule) Push(x any) {
	m := x.(*message)
	*s.slot(m) = len(s.entries)
	s.entries = append(s.entries, m)
}

// Pop implements heap.Interface.
func (s *schedule) Pop() any {
	last := len(s.entries) - 1
	m := s.entries[last]
	s.entries[last] = nil
	s.entries = s.entries[:last]
	return m
}

// State is the state of a message.
type State string

// The states of a message.
const (
	Visible  State = "visible"   // can be received
	Delayed  State = "delayed"   // sent, but not yet to be received
	InFlight State = "in flight" // received, and hidden until its visibility timeout
)

// messageID is the id of a message, a UUID.
type messageID [16]byte

func (id messageID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// message is a message and its place in its queue.
type message struct {
	content
	id        messageID
	sequence  uint64    // the order of sending
	sentAt    time.Time // kept when the message is dead-lettered
	sourceARN string    // the queue it was dead-lettered from
	receives

	state      State
	due        time.Time     // when a delayed or in-flight message becomes visible
	element    *list.Element // among the visible ones
	dueSlot    int           // in the schedule of due times
	expirySlot int           // in the schedule of expiry
}

// content is the message as it was sent. It never changes.
type content struct {
	body             string
	bodyDigest       string
	attributes       attributes
	attributesDigest string
	groupID          string
	size             int // in bytes, attributes included
}

// receives counts the receives of a message.
type receives struct {
	total   int       // over all queues; also the number of the latest receive
	inQueue int       // since it came into this queue: what a redrive policy counts
	first   time.Time // when it was received first
	latest  time.Time // when it was received last
}

// Message is a snapshot of a message in a queue.
type Message struct {
	ID           string
	Body         string
	Attributes   map[string]string // binary values as they are
	GroupID      string
	SentAt       time.Time
	ReceiveCount int
	State        State
}

// Messages returns the messages of a queue in the order of sending, nil if the queue does
// not exist. It changes nothing.
func (s *Service) Messages(queueName string) []Message {
	var snapshot []Message
	_ = s.locked(func(now time.Time) error {
		q, ok := s.queues[queueName]
		if !ok {
			return nil
		}
		q.advance(now)
		messages := slices.SortedFunc(maps.Values(q.messages), func(a, b *message) int {
			return cmp.Compare(a.sequence, b.sequence)
		})
		snapshot = make([]Message, 0, len(messages))
		for _, m := range messages {
			snapshot = append(snapshot, m.snapshot())
		}
		s.touch(q)
		return nil
	})
	return snapshot
}

func (m *message) snapshot() Message {
	attributes := make(map[string]string, len(m.attributes))
	for name, value := range m.attributes {
		if value.StringValue != nil {
			attributes[name] = *value.StringValue
		} else {
			attributes[name] = string(value.BinaryValue)
		}
	}
	return Message{
		ID:           m.id.String(),
		Body:         m.body,
		Attributes:   attributes,
		GroupID:      m.groupID,
		SentAt:       m.sentAt,
		ReceiveCount: m.total,
		State:        m.state,
	}
}
