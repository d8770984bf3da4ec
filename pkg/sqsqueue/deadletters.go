package sqsqueue

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/truncate"
)

// DeadLetters is a dead-letter queue. It is safe for concurrent use.
type DeadLetters struct {
	client Client
	url    string
	sender *Sender
}

// NewDeadLetters returns the dead-letter queue at the URL.
func NewDeadLetters(client Client, url string) *DeadLetters {
	return &DeadLetters{client: client, url: url, sender: NewSender(client, url, nil)}
}

// Send sends a message to the dead-letter queue. Reason, detail and current time become attributes.
// Errors: those of Sender.Send.
func (d *DeadLetters) Send(ctx context.Context, failed queue.FailedMessage) error {
	if _, err := d.sender.Send(ctx, newDeadLetter(failed, time.Now())); err != nil {
		return fmt.Errorf("send dead letter of message %s: %w", failed.ID, err)
	}
	return nil
}

// newDeadLetter returns the message of a dead letter. A detail is one of its at most 10 attributes, and is
// truncated to the bytes that the other attributes leave.
func newDeadLetter(failed queue.FailedMessage, now time.Time) queue.Message {
	message := cloneWithout(failed.Message, queue.AttributeDetail) // the detail of an earlier dead letter
	message.Attributes[queue.AttributeReason] = failed.Reason
	message.Attributes[queue.AttributeFailedAt] = now.UTC().Format(time.RFC3339)
	maxCount := maxAttributes
	if failed.Detail != "" {
		maxCount--
	}
	maxDetail := fit(&message, maxCount) - attributeSize(queue.AttributeDetail, queue.Attribute{Type: stringType})
	if detail := truncate.Bytes(sanitize(failed.Detail), min(queue.MaxDetail, maxDetail)); detail != "" {
		message.Attributes[queue.AttributeDetail] = detail
	}
	return message
}

// sanitize replaces characters that SQS refuses in an attribute, and invalid UTF-8, by U+FFFD.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func sanitize(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r == '\r':
			return r
		case r < 0x20, r == 0xFFFE, r == 0xFFFF:
			return utf8.RuneError
		default:
			return r // of an invalid byte: utf8.RuneError
		}
	}, text)
}
