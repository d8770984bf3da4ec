package sqs

import (
	"regexp"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/awsjson"
)

const (
	maxMessageSize = 1 << 20 // bytes; of a batch too
	maxDelay       = 900     // seconds
	maxGroupID     = 128
)

// sendEntry is a message to send, alone or in a batch.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
type sendEntry struct {
	ID                string     `json:"Id"`
	MessageBody       *string    `json:"MessageBody"`
	DelaySeconds      *int       `json:"DelaySeconds"`
	MessageAttributes attributes `json:"MessageAttributes"`
	MessageGroupID    *string    `json:"MessageGroupId"`
}

type sendInput struct {
	queueReference
	sendEntry
}

type sendResult struct {
	ID                     string `json:"Id,omitempty"`
	MessageID              string `json:"MessageId"`
	MD5OfMessageBody       string `json:"MD5OfMessageBody"`
	MD5OfMessageAttributes string `json:"MD5OfMessageAttributes,omitempty"`
}

func (s *Service) sendMessage(input sendInput, call awsjson.Call) (any, error) {
	draft, err := input.draft()
	if err != nil {
		return nil, err
	}
	var result sendResult
	err = s.onQueue(input.QueueURL, func(q *queue, now time.Time) error {
		result, err = s.send(q, draft, now, q.lateness(call.Fault))
		return err
	})
	return result, err
}

func (s *Service) sendMessageBatch(input batchInput[sendEntry], call awsjson.Call) (any, error) {
	batch, err := newBatch[sendResult](input.Entries, call.Fault)
	if err != nil {
		return nil, err
	}
	total := 0
	for _, entry := range input.Entries {
		total += entry.size()
	}
	if total > maxMessageSize {
		return nil, batchRequestTooLong.errorf("Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxMessageSize, total)
	}

	type outcome struct {
		draft draft
		err   error
	}
	drafts := make([]outcome, len(input.Entries))
	for i, entry := range input.Entries {
		drafts[i].draft, drafts[i].err = entry.draft()
	}
	err = s.onQueue(input.QueueURL, func(q *queue, now time.Time) error {
		batch.each(func(i int) (sendResult, error) {
			if drafts[i].err != nil {
				return sendResult{}, drafts[i].err
			}
			result, err := s.send(q, drafts[i].draft, now, q.lateness(call.Fault))
			result.ID = input.Entries[i].ID
			return result, err
		})
		return nil
	})
	return batch.output, err
}

func (e sendEntry) entryID() string { return e.ID }

func (e sendEntry) size() int {
	size := e.MessageAttributes.size()
	if e.MessageBody != nil {
		size += len(*e.MessageBody)
	}
	return size
}

// draft is a message before it is in a queue.
type draft struct {
	content
	delay *int // seconds; nil: the delay of the queue
}

// draft checks everything that does not depend on the queue.
func (e sendEntry) draft() (draft, error) {
	if e.MessageBody == nil || *e.MessageBody == "" {
		return draft{}, missingParameter.errorf("The request must contain the parameter MessageBody.")
	}
	if !isText(*e.MessageBody) {
		return draft{}, invalidMessageContents.errorf("Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF.")
	}
	if e.DelaySeconds != nil && (*e.DelaySeconds < 0 || *e.DelaySeconds > maxDelay) {
		return draft{}, invalidParameterValue.errorf("Value %d for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= %d.", *e.DelaySeconds, maxDelay)
	}
	if err := e.MessageAttributes.check(); err != nil {
		return draft{}, err
	}
	var groupID string
	if e.MessageGroupID != nil {
		groupID = *e.MessageGroupID
		if !isGroupID(groupID) {
			return draft{}, invalidParameterValue.errorf("Value %s for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to %d in length.", groupID, maxGroupID)
		}
	}
	body := *e.MessageBody
	return draft{
		content: content{
			body:             body,
			bodyDigest:       digest(body),
			attributes:       e.MessageAttributes,
			attributesDigest: e.MessageAttributes.digest(),
			groupID:          groupID,
			size:             e.size(),
		},
		delay: e.DelaySeconds,
	}, nil
}

func isGroupID(id string) bool {
	if id == "" || len(id) > maxGroupID {
		return false
	}
	for _, c := range []byte(id) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// send adds a message; late delays its visibility.
func (s *Service) send(q *queue, draft draft, now time.Time, late time.Duration) (sendResult, error) {
	if draft.size > q.settings.maximumSize {
		return sendResult{}, invalidParameterValue.errorf("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", q.settings.maximumSize)
	}
	delay := q.settings.delay
	if draft.delay != nil {
		delay = *draft.delay
	}
	m := s.enqueue(q, draft.content, now, seconds(delay)+late)
	return sendResult{
		MessageID:              m.id.String(),
		MD5OfMessageBody:       m.bodyDigest,
		MD5OfMessageAttributes: m.attributesDigest,
	}, nil
}

// enqueue adds a new message with this content.
func (s *Service) enqueue(q *queue, content content, now time.Time, delay time.Duration) *message {
	s.sent++
	m := &message{content: content, id: q.newID(), sequence: s.sent, sentAt: now}
	q.add(m, now, delay)
	return m
}

// isText reports whether all characters are allowed in a message:
// #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func isText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	})
}

const maxEntries = 10

var entryID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

type batchEntry interface{ entryID() string }

type batchInput[Entry batchEntry] struct {
	queueReference
	Entries []Entry `json:"Entries"`
}

// batch runs the entries of a batch call, each of which succeeds or fails by
// itself.
type batch[Result any] struct {
	ids    []string
	fault  sandbox.Fault
	output batchOutput[Result]
}

type batchOutput[Result any] struct {
	Successful []Result       `json:"Successful"`
	Failed     []batchFailure `json:"Failed"`
}

// newBatch checks what fails a batch as a whole.
func newBatch[Result any, Entry batchEntry](entries []Entry, fault sandbox.Fault) (*batch[Result], error) {
	if len(entries) == 0 {
		return nil, emptyBatchRequest.errorf("There should be at least one entry in the request.")
	}
	if len(entries) > maxEntries {
		return nil, tooManyEntries.errorf("Maximum number of entries per request are %d. You have sent %d.", maxEntries, len(entries))
	}
	b := &batch[Result]{fault: fault}
	seen := map[string]bool{}
	for _, entry := range entries {
		id := entry.entryID()
		if !entryID.MatchString(id) {
			return nil, invalidBatchEntryID.errorf("A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[id] {
			return nil, batchEntryIDsNotDistinct.errorf("Id %s repeated.", id)
		}
		seen[id] = true
		b.ids = append(b.ids, id)
	}
	b.output = batchOutput[Result]{Successful: []Result{}, Failed: []batchFailure{}}
	return b, nil
}

// each runs do for the position of every entry.
func (b *batch[Result]) each(do func(i int) (Result, error)) {
	for i, id := range b.ids {
		if b.fault.AppliesTo(i) {
			b.output.Failed = append(b.output.Failed, batchFailure{ID: id, Code: "InternalError", Message: "The entry could not be processed."})
			continue
		}
		result, err := do(i)
		if err != nil {
			b.output.Failed = append(b.output.Failed, failed(id, err))
			continue
		}
		b.output.Successful = append(b.output.Successful, result)
	}
}
