package sqsqueue

import (
	"context"
	"fmt"
	"strconv"

	"github.com/billable-events/billable/pkg/queue"
)

// Source is the queue that dead letters come from and go back to. It is safe for
// concurrent use.
type Source struct{ sender *Sender }

// NewSource returns the queue with the given URL.
func NewSource(client SendAPI, url string) *Source { return &Source{NewSender(client, url, nil)} }

// Redrive puts a dead letter back into the queue: with its body, its group, and its
// attributes but reason, detail and time; replay_count is one more. What fails for a
// passing reason is repeated until ctx ends. Errors: as of Sender.Send.
func (s *Source) Redrive(ctx context.Context, letter queue.Message) error {
	if _, err := s.sender.Send(ctx, redriven(letter)); err != nil {
		return fmt.Errorf("replay message %s: %w", letter.ID, err)
	}
	return nil
}

func redriven(letter queue.Message) queue.Message {
	message := own(letter, queue.AttributeReason, queue.AttributeDetail, queue.AttributeFailedAt)
	message.Attributes[queue.AttributeReplayCount] = strconv.Itoa(letter.ReplayCount() + 1)
	fit(&message, maxAttributes)
	return message
}
