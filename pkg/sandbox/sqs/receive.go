package sqs

import (
	"container/list"
	"context"
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

// poll is one call of ReceiveMessage.
type poll struct {
	context context.Context
	input   receiveInput
	max     int
	fault   sandbox.Fault // of a Duplicate, what the poll gets is delivered once more

	// While the poll waits, others change these under Service.mu.
	queue   *queue        // on which it waits
	element *list.Element // among those that wait there, nil when it does not wait
	got     []delivery
	err     error
	served  chan struct{} // closed when got and err of a waiting poll are there
}

// receive fills p.got. If no message is visible it waits for the wait time of the poll, or
// else of the queue.
//
// Waiting polls are served in the order of their arrival. A caller that leaves while it
// waits loses nothing: messages delivered to it return to their place, as if never received.
func (s *Service) receive(p *poll) error {
	var wait time.Duration // stays 0 when the poll does not wait
	err := s.onQueue(p.input.QueueURL, func(q *queue, now time.Time) error {
		if p.context.Err() != nil {
			return p.context.Err()
		}
		p.got = s.deliver(q, p, now)
		if len(p.got) > 0 {
			return nil
		}
		wait = seconds(q.settings.wait)
		if p.input.WaitTimeSeconds != nil {
			wait = seconds(*p.input.WaitTimeSeconds)
		}
		if wait > 0 {
			p.join(q)
		} else if q.inFlight >= s.config.MaxInFlight {
			return overLimit.errorf("Too many messages in flight.")
		}
		return nil
	})
	if err != nil || wait == 0 {
		return err
	}

	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-p.served:
	case <-timer.C:
	case <-p.context.Done():
	}
	return s.locked(func(now time.Time) error {
		s.touch(p.queue)
		s.serveTouched(now) // what became visible at the last moment
		p.leave()
		if p.context.Err() != nil {
			s.undoReceives(p.queue, p.got)
			return p.context.Err()
		}
		return p.err
	})
}

// join starts the waiting.
func (p *poll) join(q *queue) {
	p.queue = q
	p.element = q.waiting.PushBack(p)
}

// leave ends the waiting. It may be called again.
func (p *poll) leave() {
	if p.element == nil {
		return
	}
	p.queue.waiting.Remove(p.element)
	p.element = nil
}

// end gives a waiting poll its result.
func (p *poll) end(got []delivery, err error) {
	p.leave()
	p.got, p.err = got, err
	close(p.served)
}

// serveTouched serves the polls that wait on the touched queues. Serving one
// queue may touch another: its dead-letter queue.
func (s *Service) serveTouched(now time.Time) {
	for len(s.touched) > 0 {
		last := len(s.touched) - 1
		q := s.touched[last]
		s.touched = s.touched[:last]
		s.serve(q, now)
	}
}

func (s *Service) serve(q *queue, now time.Time) {
	for {
		q.advance(now)
		front := q.waiting.Front()
		if front == nil || q.visible.Len() == 0 || q.inFlight >= s.config.MaxInFlight {
			break
		}
		p := front.Value.(*poll)
		if p.context.Err() != nil {
			p.leave()
			continue
		}
		if got := s.deliver(q, p, now); len(got) > 0 {
			p.end(got, nil)
		}
	}
	s.setAlarm(q, now)
}

// setAlarm serves the queue when its next message becomes visible, as long as polls wait.
func (s *Service) setAlarm(q *queue, now time.Time) {
	next := q.due.first()
	if q.waiting.Len() == 0 || next == nil {
		q.stopAlarm()
		return
	}
	if q.alarm != nil && q.alarmAt.Equal(next.due) {
		return
	}
	q.stopAlarm()
	q.alarmAt = next.due
	q.alarm = time.AfterFunc(next.due.Sub(now), func() {
		_ = s.locked(func(time.Time) error {
			q.stopAlarm()
			s.touch(q)
			return nil
		})
	})
}

func (q *queue) stopAlarm() {
	if q.alarm != nil {
		q.alarm.Stop()
		q.alarm = nil
	}
}
