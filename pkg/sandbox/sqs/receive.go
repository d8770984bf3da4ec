package sqs

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/awsjson"
)

const (
	maxReceive    = 10
	maxWait       = 20     // seconds
	maxVisibility = 43_200 // seconds
)

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
type receiveInput struct {
	QueueURL                    string   `json:"QueueUrl"`
	MaxNumberOfMessages         *int     `json:"MaxNumberOfMessages"`
	VisibilityTimeout           *int     `json:"VisibilityTimeout"`
	WaitTimeSeconds             *int     `json:"WaitTimeSeconds"`
	AttributeNames              []string `json:"AttributeNames"`
	MessageSystemAttributeNames []string `json:"MessageSystemAttributeNames"`
	MessageAttributeNames       []string `json:"MessageAttributeNames"`
}

// systemAttributeNames can be asked for, though standard queues do not fill
// those of FIFO queues.
var systemAttributeNames = []string{
	"All", "SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp",
	"SequenceNumber", "MessageDeduplicationId", "MessageGroupId", "AWSTraceHeader",
	"DeadLetterQueueSourceArn", "SqsManagedSseEnabled",
}

func (in receiveInput) check() error {
	for _, limit := range []struct {
		name     string
		value    *int
		min, max int
	}{
		{"MaxNumberOfMessages", in.MaxNumberOfMessages, 1, maxReceive},
		{"VisibilityTimeout", in.VisibilityTimeout, 0, maxVisibility},
		{"WaitTimeSeconds", in.WaitTimeSeconds, 0, maxWait},
	} {
		if limit.value != nil && (*limit.value < limit.min || *limit.value > limit.max) {
			return invalidParameterValue.errorf("Value %d for parameter %s is invalid. Reason: Must be between %d and %d, if provided.",
				*limit.value, limit.name, limit.min, limit.max)
		}
	}
	for _, name := range in.MessageAttributeNames {
		if strings.HasSuffix(name, ".*") {
			return invalidParameterValue.errorf("The fake does not support prefixes of attribute names: %s", name)
		}
	}
	for _, name := range in.systemNames() {
		if !slices.Contains(systemAttributeNames, name) {
			return invalidAttributeName.errorf("Unknown Attribute %s.", name)
		}
	}
	return nil
}

// systemNames joins the two members that ask for system attributes: the second
// has replaced the first.
func (in receiveInput) systemNames() []string {
	return slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)
}

type receiveOutput struct {
	Messages []receivedMessage `json:"Messages,omitempty"`
}

type receivedMessage struct {
	MessageID              string            `json:"MessageId"`
	ReceiptHandle          string            `json:"ReceiptHandle"`
	MD5OfBody              string            `json:"MD5OfBody"`
	Body                   string            `json:"Body"`
	Attributes             map[string]string `json:"Attributes,omitempty"`
	MD5OfMessageAttributes string            `json:"MD5OfMessageAttributes,omitempty"`
	MessageAttributes      attributes        `json:"MessageAttributes,omitempty"`
}

func (s *Service) receiveMessage(input receiveInput, call awsjson.Call) (any, error) {
	if err := input.check(); err != nil {
		return nil, err
	}
	p := &poll{
		context: call.Context,
		input:   input,
		max:     1,
		fault:   call.Fault,
		served:  make(chan struct{}),
	}
	if input.MaxNumberOfMessages != nil {
		p.max = *input.MaxNumberOfMessages
	}
	if err := s.receive(p); err != nil {
		return nil, err
	}

	var output receiveOutput
	for _, d := range p.got {
		output.Messages = append(output.Messages, received(d, input))
	}
	return output, nil
}

func received(d delivery, input receiveInput) receivedMessage {
	m := d.seen
	chosen := m.attributes.selected(input.MessageAttributeNames)
	chosenDigest := m.attributesDigest
	if len(chosen) < len(m.attributes) {
		chosenDigest = chosen.digest()
	}
	return receivedMessage{
		MessageID:              m.id.String(),
		ReceiptHandle:          d.handle.String(),
		MD5OfBody:              m.bodyDigest,
		Body:                   m.body,
		Attributes:             systemAttributes(m, input.systemNames()),
		MessageAttributes:      chosen,
		MD5OfMessageAttributes: chosenDigest,
	}
}

func systemAttributes(m message, names []string) map[string]string {
	if len(names) == 0 {
		return nil
	}
	all := map[string]string{
		"SenderId":                         senderID,
		"SentTimestamp":                    strconv.FormatInt(m.sentAt.UnixMilli(), 10),
		"ApproximateReceiveCount":          strconv.Itoa(m.total),
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.first.UnixMilli(), 10),
	}
	if m.groupID != "" {
		all["MessageGroupId"] = m.groupID
	}
	if m.sourceARN != "" {
		all["DeadLetterQueueSourceArn"] = m.sourceARN
	}
	if slices.Contains(names, "All") {
		return all
	}
	chosen := map[string]string{}
	for _, name := range names {
		if value, ok := all[name]; ok {
			chosen[name] = value
		}
	}
	return chosen
}

// delivery is one receive of one message.
type delivery struct {
	message *message
	seen    message // the message as the receiver sees it
	handle  handle
	before  receives // what the receive changed
}

// deliver hands out up to p.max visible messages. What has been received too often
// goes to the dead-letter queue instead.
func (s *Service) deliver(q *queue, p *poll, now time.Time) []delivery {
	visibility := seconds(q.settings.visibility)
	if p.input.VisibilityTimeout != nil {
		visibility = seconds(*p.input.VisibilityTimeout)
	}
	if p.fault.Kind == sandbox.Duplicate {
		// As if a replica missed the receive: visible while in flight.
		visibility = min(visibility, p.fault.Late)
	}

	var got []delivery
	for len(got) < p.max && q.inFlight < s.config.MaxInFlight {
		front := q.visible.Front()
		if front == nil {
			break
		}
		m := front.Value.(*message)
		if target := s.deadLetterQueue(q, m); target != nil {
			s.deadLetter(q, target, m, now)
			continue
		}
		got = append(got, q.deliver(m, now, visibility))
	}
	return got
}

func (q *queue) deliver(m *message, now time.Time, visibility time.Duration) delivery {
	before := m.receives
	m.total++
	m.inQueue++
	m.latest = now
	if m.first.IsZero() {
		m.first = now
	}
	q.hide(m, InFlight, now.Add(visibility))
	return delivery{
		message: m,
		seen:    *m,
		handle:  handle{queue: q.serial, message: m.id, receipt: uint64(m.total)},
		before:  before,
	}
}

// undoReceives undoes receives whose caller has left.
func (s *Service) undoReceives(q *queue, unseen []delivery) {
	for _, d := range slices.Backward(unseen) {
		m := d.message
		if q.messages[m.id] != m || !m.isLatest(d.handle) {
			continue // deleted, moved or received again
		}
		m.receives = d.before
		q.show(m)
		q.visible.MoveToFront(m.element)
	}
	s.touch(q)
}
