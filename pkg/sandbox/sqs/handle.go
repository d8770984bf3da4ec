package sqs

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/awsjson"
)

// handleEntry is the receipt handle of one call, or of one entry of a batch.
type handleEntry struct {
	ID                string `json:"Id"`
	ReceiptHandle     string `json:"ReceiptHandle"`
	VisibilityTimeout *int   `json:"VisibilityTimeout"`
}

func (e handleEntry) entryID() string { return e.ID }

// handleResult is the result of an entry that succeeded.
type handleResult struct {
	ID string `json:"Id"`
}

// onHandle makes an operation of do, for one receipt handle.
func (s *Service) onHandle(do func(*queue, handleEntry, time.Time) error) awsjson.Operation {
	type input struct {
		queueReference
		handleEntry
	}
	return operation(func(input input, _ awsjson.Call) (any, error) {
		return nil, s.onQueue(input.QueueURL, func(q *queue, now time.Time) error { return do(q, input.handleEntry, now) })
	})
}

// onHandles makes a batch operation of do.
func (s *Service) onHandles(do func(*queue, handleEntry, time.Time) error) awsjson.Operation {
	return operation(func(input batchInput[handleEntry], call awsjson.Call) (any, error) {
		batch, err := newBatch[handleResult](input.Entries, call.Fault)
		if err != nil {
			return nil, err
		}
		err = s.onQueue(input.QueueURL, func(q *queue, now time.Time) error {
			batch.each(func(i int) (handleResult, error) {
				return handleResult{ID: input.Entries[i].ID}, do(q, input.Entries[i], now)
			})
			return nil
		})
		return batch.output, err
	})
}

// deleteByHandle deletes a message by the handle of its latest receive, in flight or not.
// With the handle of an earlier receive or of a deleted message it succeeds without effect.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html
func (q *queue) deleteByHandle(entry handleEntry, _ time.Time) error {
	h, err := q.parseHandle(entry.ReceiptHandle)
	if err != nil {
		return err
	}
	if m, ok := q.messages[h.message]; ok && m.isLatest(h) {
		q.remove(m)
	}
	return nil
}

// changeVisibility lets an in-flight message become visible timeout seconds
// from now. All in all it may stay hidden for 12 hours from its receive.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
func (q *queue) changeVisibility(entry handleEntry, now time.Time) error {
	if entry.VisibilityTimeout == nil {
		return missingParameter.errorf("The request must contain the parameter VisibilityTimeout.")
	}
	timeout := *entry.VisibilityTimeout
	if timeout < 0 || timeout > maxVisibility {
		return invalidParameterValue.errorf("Value %d for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and %d.", timeout, maxVisibility)
	}
	h, err := q.parseHandle(entry.ReceiptHandle)
	if err != nil {
		return err
	}
	m, ok := q.messages[h.message]
	if !ok {
		return invalidParameterValue.errorf("Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", entry.ReceiptHandle)
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

// handle is a receipt handle: it identifies one receive of one message.
type handle struct {
	queue   uint64 // the queue's serial
	message messageID
	receipt uint64 // the number of the receive, for this message
}

const handleLength = 8 + 16 + 8 + 4

func (h handle) String() string {
	encoded := make([]byte, 0, handleLength)
	encoded = binary.BigEndian.AppendUint64(encoded, h.queue)
	encoded = append(encoded, h.message[:]...)
	encoded = binary.BigEndian.AppendUint64(encoded, h.receipt)
	encoded = binary.BigEndian.AppendUint32(encoded, crc32.ChecksumIEEE(encoded))
	return base64.StdEncoding.EncodeToString(encoded)
}

// isLatest reports whether a handle is that of a message's latest receive.
func (m *message) isLatest(h handle) bool { return uint64(m.total) == h.receipt }

// parseHandle reads a handle that this queue gave out.
func (q *queue) parseHandle(given string) (handle, error) {
	if given == "" {
		return handle{}, missingParameter.errorf("The request must contain the parameter ReceiptHandle.")
	}
	invalid := receiptHandleIsInvalid.errorf("The input receipt handle %q is not a valid receipt handle.", given)
	encoded, err := base64.StdEncoding.Strict().DecodeString(given)
	if err != nil || len(encoded) != handleLength {
		return handle{}, invalid
	}
	content, checksum := encoded[:handleLength-4], encoded[handleLength-4:]
	if crc32.ChecksumIEEE(content) != binary.BigEndian.Uint32(checksum) {
		return handle{}, invalid
	}
	h := handle{
		queue:   binary.BigEndian.Uint64(content),
		message: messageID(content[8:24]),
		receipt: binary.BigEndian.Uint64(content[24:]),
	}
	if h.queue != q.serial {
		return handle{}, invalid
	}
	return h, nil
}
