package sqs

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Message is what a queue holds of a message, for those who keep the books.
type Message struct {
	ID           string
	Body         string
	Attributes   map[string]string // binary values as they are
	GroupID      string
	SentAt       time.Time
	ReceiveCount int
	State        State
}

// Messages are the messages of a queue in the order of their sending, nil when
// there is no such queue. Looking at them changes nothing.
func (s *Service) Messages(queueName string) []Message {
	var snapshot []Message
	_ = s.locked(func(now time.Time) error {
		q, ok := s.queues[queueName]
		if !ok {
			return nil
		}
		q.settle(now)
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
			attributes[name] = string(*value.StringValue)
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
