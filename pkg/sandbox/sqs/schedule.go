package sqs

import (
	"container/heap"
	"time"
)

// schedule is a heap of messages by a time of theirs, the earliest first. Each
// message knows its slot, so that it can be taken out from the middle.
type schedule struct {
	entries []*message
	at      func(*message) time.Time
	slot    func(*message) *int
}

func (s *schedule) add(m *message)    { heap.Push(s, m) }
func (s *schedule) remove(m *message) { heap.Remove(s, *s.slot(m)) }

// first is the message whose time comes first, nil when there is none.
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
