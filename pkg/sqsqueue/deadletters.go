package sqsqueue

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/billable-events/billable/pkg/queue"
)

// maxAttributes is how many attributes a message may have.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
const maxAttributes = 10

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

// Bury puts a message into the dead-letter queue, with its body, attributes and
// group, and with the reason, the detail and the time. What fails for a passing
// reason is repeated until ctx ends. Errors: as of Sender.Send.
func (d *DeadLetters) Bury(ctx context.Context, letter queue.DeadLetter) error {
	message := letter.Message
	message.Attributes = letterAttributes(letter, time.Now())
	if _, err := d.sender.Send(ctx, message); err != nil {
		return fmt.Errorf("bury message %s: %w", letter.ID, err)
	}
	return nil
}

// inWorth are this system's own attributes, but the detail, in the order of their
// worth.
var inWorth = []string{
	queue.AttributeReason, queue.AttributeFailedAt, queue.AttributeEventID, queue.AttributeInvoiceID,
	queue.AttributeEventType, queue.AttributeReceivedAt, queue.AttributeReplayCount, queue.AttributeTraceParent,
}

// letterAttributes are the attributes of a dead letter. SQS takes 10, and 1 MiB
// together with the body. A place is kept for the detail; of attributes that are not
// this system's own those that come first in the alphabet are kept, and the detail
// gets the bytes that are left.
func letterAttributes(letter queue.DeadLetter, now time.Time) map[string]string {
	all := maps.Clone(letter.Attributes)
	if all == nil {
		all = map[string]string{}
	}
	all[queue.AttributeReason] = letter.Reason
	all[queue.AttributeFailedAt] = now.UTC().Format(time.RFC3339)
	delete(all, queue.AttributeDetail) // one of an earlier burial

	places := maxAttributes
	if letter.Detail != "" {
		places--
	}
	kept, room := fitting(letter.Message, all, places)
	if detail := cut(acceptable(letter.Detail), min(queue.MaxDetail, room-attributeSize(queue.AttributeDetail, ""))); detail != "" {
		kept[queue.AttributeDetail] = detail
	}
	return kept
}

// fitting are the attributes of worth that a message has room for, and the bytes left.
func fitting(message queue.Message, all map[string]string, places int) (kept map[string]string, room int) {
	room = maxBatchBytes - len(message.Body) - len(groupID(message.GroupID))
	kept = map[string]string{}
	for _, name := range slices.Concat(inWorth, foreign(all)) {
		value := all[name]
		if size := attributeSize(name, value); value != "" && len(kept) < places && size <= room {
			kept[name] = value
			room -= size
		}
	}
	return kept, room
}

// foreign are the names that are not this system's own, in alphabetical order.
func foreign(attributes map[string]string) []string {
	names := slices.Sorted(maps.Keys(attributes))
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(inWorth, name) })
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
