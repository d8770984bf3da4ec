package sqs

import (
	"time"

	"github.com/billable-events/billable/pkg/sandbox/awsjson"
)

type visibilityEntry struct {
	ID                string `json:"Id"`
	ReceiptHandle     string `json:"ReceiptHandle"`
	VisibilityTimeout *int   `json:"VisibilityTimeout"`
}

func (e visibilityEntry) entryID() string { return e.ID }

func (s *Service) changeMessageVisibility(call awsjson.Call) (any, error) {
	input, err := decode[struct {
		QueueURL string `json:"QueueUrl"`
		visibilityEntry
	}](call)
	if err != nil {
		return nil, err
	}
	if input.VisibilityTimeout == nil {
		return nil, missingParameter.errorf("The request must contain the parameter VisibilityTimeout.")
	}
	return nil, s.onQueue(input.QueueURL, func(q *queue, now time.Time) error {
		return q.changeVisibility(input.ReceiptHandle, *input.VisibilityTimeout, now)
	})
}

func (s *Service) changeMessageVisibilityBatch(call awsjson.Call) (any, error) {
	input, err := decode[struct {
		QueueURL string            `json:"QueueUrl"`
		Entries  []visibilityEntry `json:"Entries"`
	}](call)
	if err != nil {
		return nil, err
	}
	batch, err := newBatch[batchResult](input.Entries, call.Fault)
	if err != nil {
		return nil, err
	}
	err = s.onQueue(input.QueueURL, func(q *queue, now time.Time) error {
		batch.each(func(i int) (batchResult, error) {
			entry := input.Entries[i]
			// Documented as optional in a batch, without a default.
			timeout := 0
			if entry.VisibilityTimeout != nil {
				timeout = *entry.VisibilityTimeout
			}
			return batchResult{ID: entry.ID}, q.changeVisibility(entry.ReceiptHandle, timeout, now)
		})
		return nil
	})
	return batch.output, err
}

// changeVisibility lets an in-flight message become visible timeout seconds
// from now. All in all it may stay hidden for 12 hours from its receive.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
func (q *queue) changeVisibility(given string, timeout int, now time.Time) error {
	if timeout < 0 || timeout > maxVisibility {
		return invalidParameterValue.errorf("Value %d for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and %d.", timeout, maxVisibility)
	}
	h, err := q.parseHandle(given)
	if err != nil {
		return err
	}
	m, ok := q.messages[h.message]
	if !ok {
		return invalidParameterValue.errorf("Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", given)
	}
	if m.state != InFlight || !m.isLatest(h) {
		return messageNotInflight.errorf("The message referred to is not in flight.")
	}
	due := now.Add(seconds(timeout))
	if due.After(m.latest.Add(seconds(maxVisibility))) {
		return invalidParameterValue.errorf("Value %d for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [%d seconds].", timeout, maxVisibility)
	}
	q.hide(m, InFlight, due)
	return nil
}
