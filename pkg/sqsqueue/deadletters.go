package sqsqueue

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/billable-events/billable/pkg/queue"
)

// DeadLetters is a dead-letter queue. It is safe for concurrent use.
type DeadLetters struct {
	client BrowseAPI
	url    string
	sender *Sender
}

// DeadLettersAPI is what DeadLetters needs of the SDK's client.
type DeadLettersAPI interface {
	SendAPI
	BrowseAPI
}

// NewDeadLetters returns the dead-letter queue with the given URL.
func NewDeadLetters(client DeadLettersAPI, url string) *DeadLetters {
	return &DeadLetters{client: client, url: url, sender: NewSender(client, url, nil)}
}

// Send puts a message into the dead-letter queue, with its body, attributes and
// group, and with the reason, the detail and the time. What fails for a passing
// reason is repeated until ctx ends. Errors: as of Sender.Send.
func (d *DeadLetters) Send(ctx context.Context, letter queue.FailedMessage) error {
	if _, err := d.sender.Send(ctx, buried(letter, time.Now())); err != nil {
		return fmt.Errorf("bury message %s: %w", letter.ID, err)
	}
	return nil
}

// buried is the message of a dead letter. SQS takes 10 attributes, and 1 MiB together
// with the body: a place is kept for the detail, which gets the bytes that are left.
func buried(letter queue.FailedMessage, now time.Time) queue.Message {
	message := own(letter.Message, queue.AttributeDetail) // one of an earlier burial
	message.Attributes[queue.AttributeReason] = letter.Reason
	message.Attributes[queue.AttributeFailedAt] = now.UTC().Format(time.RFC3339)
	places := maxAttributes
	if letter.Detail != "" {
		places--
	}
	room := fit(&message, places) - attributeSize(queue.AttributeDetail, queue.Attribute{Type: stringType})
	if detail := cut(acceptable(letter.Detail), min(queue.MaxDetail, room)); detail != "" {
		message.Attributes[queue.AttributeDetail] = detail
	}
	return message
}

// acceptable replaces what SQS does not take in an attribute.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func acceptable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r == '\r':
			return r
		case r < 0x20, r == 0xFFFE, r == 0xFFFF:
			return utf8.RuneError
		default:
			return r // an invalid byte comes as utf8.RuneError
		}
	}, text)
}

// cut shortens a valid text to so many bytes, between two characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := max(most, 0)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}
