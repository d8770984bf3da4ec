package deadletter

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/event"
	"github.com/billable-events/billable/pkg/nullable"
	"github.com/billable-events/billable/pkg/queue"
)

// Shown is one dead letter with its body and attributes. Absent values are null.
type Shown struct {
	Message

	GroupID    *string          `json:"group_id"`
	Body       any              `json:"body"` // the received JSON, or else a text
	Attributes map[string]Value `json:"attributes"`

	EventType     string          `json:"-"` // empty if the body is not a webhook event
	Record        *billing.Record `json:"-"` // nil if the invoice is not in the ledger
	Plan          billing.Plan    `json:"-"` // without lines if there is none
	InvoiceToRead string          `json:"-"` // the invoice to read from Chargebee: the draft, or the final invoice; empty if there is none
}

// Value is the value of an attribute.
type Value struct {
	Type  string `json:"type"`  // String, Number, Binary or a custom one
	Value string `json:"value"` // base64 if it is binary
}

var (
	// ErrUnknown means that there is no such dead letter.
	ErrUnknown = errors.New("dead letter not found")
	// ErrUnseen means that there may be one: not all messages were visited.
	ErrUnseen = errors.New("dead letter not found, but the scan was incomplete: " + Incomplete)
)

// Show returns the dead letter with the given message or event id, and the record of its invoice. It
// browses the queue only until the message is found. Errors: ErrUnknown, ErrUnseen, and those of browser
// and ledger.
func Show(ctx context.Context, browser Browser, ledger Ledger, id string) (Shown, error) {
	message, err := find(ctx, browser, id)
	if err != nil {
		return Shown{}, err
	}
	shown := Shown{Message: describe(message), Body: bodyValue(message), Attributes: attributeValues(message), GroupID: nullable.String(message.GroupID)}
	if webhook, err := event.ParseMessage(message.Body); err == nil {
		shown.EventType = webhook.Type
	}
	err = shown.addLedger(ctx, ledger)
	return shown, err
}

// find returns the message with a message or event id.
func find(ctx context.Context, browser Browser, id string) (queue.Message, error) {
	var found *queue.Message
	filter := Filter{Event: id}
	complete, err := browser.Browse(ctx, func(messages []queue.Message) bool {
		for _, message := range messages {
			if filter.selects(describe(message), time.Time{}) {
				found = &message
				return false
			}
		}
		return true
	})
	switch {
	case err != nil:
		return queue.Message{}, err
	case found != nil:
		return *found, nil
	case !complete:
		return queue.Message{}, fmt.Errorf("%w: %s", ErrUnseen, id)
	default:
		return queue.Message{}, fmt.Errorf("%w: %s", ErrUnknown, id)
	}
}

// addLedger sets the fields from record and plan, and the invoice to read from Chargebee.
func (s *Shown) addLedger(ctx context.Context, ledger Ledger) error {
	if s.InvoiceID != nil {
		s.InvoiceToRead = *s.InvoiceID
	}
	record, ok, err := s.addRecord(ctx, ledger)
	if err != nil || !ok {
		return err
	}
	s.Record, s.InvoiceToRead = &record, record.CurrentInvoiceID()
	s.Plan, err = ledger.Plan(ctx, record.InvoiceID, record.Epoch)
	planned, charges := plannedCharges(record)
	switch {
	case err != nil && !errors.Is(err, billing.ErrNotFound):
		return err
	case planned && (err == nil || !charges):
		s.ChargeAtRisk = new(chargeAtRisk(record, s.Plan))
	}
	return nil
}

// bodyValue returns the body as a JSON value.
func bodyValue(message queue.Message) any {
	if utf8.Valid(message.Body) && json.Valid(message.Body) {
		return json.RawMessage(message.Body)
	}
	return string(message.Body)
}

func attributeValues(message queue.Message) map[string]Value {
	values := map[string]Value{}
	for name, value := range message.Attributes {
		values[name] = Value{"String", value}
	}
	for name, attribute := range message.OtherAttributes {
		value := string(attribute.Value)
		if attribute.Binary() {
			value = base64.StdEncoding.EncodeToString(attribute.Value)
		}
		values[name] = Value{attribute.Type, value}
	}
	return values
}
