package sqs

import (
	"time"

	"github.com/billable-events/billable/pkg/sandbox/awsjson"
)

type deleteEntry struct {
	ID            string `json:"Id"`
	ReceiptHandle string `json:"ReceiptHandle"`
}

func (e deleteEntry) entryID() string { return e.ID }

func (s *Service) deleteMessage(call awsjson.Call) (any, error) {
	input, err := decode[struct {
		QueueURL string `json:"QueueUrl"`
		deleteEntry
	}](call)
	if err != nil {
		return nil, err
	}
	return nil, s.onQueue(input.QueueURL, func(q *queue, _ time.Time) error {
		return q.deleteByHandle(input.ReceiptHandle)
	})
}

func (s *Service) deleteMessageBatch(call awsjson.Call) (any, error) {
	input, err := decode[struct {
		QueueURL string        `json:"QueueUrl"`
		Entries  []deleteEntry `json:"Entries"`
	}](call)
	if err != nil {
		return nil, err
	}
	batch, err := newBatch[batchResult](input.Entries, call.Fault)
	if err != nil {
		return nil, err
	}
	err = s.onQueue(input.QueueURL, func(q *queue, _ time.Time) error {
		batch.each(func(i int) (batchResult, error) {
			return batchResult{ID: input.Entries[i].ID}, q.deleteByHandle(input.Entries[i].ReceiptHandle)
		})
		return nil
	})
	return batch.output, err
}

// deleteByHandle deletes a message by the handle of its latest receive, in
// flight or not. A handle from an earlier receive, or of a message that is gone
// already, succeeds without an effect.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html
func (q *queue) deleteByHandle(given string) error {
	h, err := q.parseHandle(given)
	if err != nil {
		return err
	}
	if m, ok := q.messages[h.message]; ok && m.isLatest(h) {
		q.remove(m)
	}
	return nil
}
