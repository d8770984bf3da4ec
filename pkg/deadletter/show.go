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
	Body       any              `json:"body"` // json.RawMessage, or a string if it is not valid JSON
	Attributes map[string]Value `json:"attributes"`

	EventType     string          `json:"-"` // empty if the body is not a webhook event
	Record        *billing.Record `json:"-"` // nil if the invoice is not in the ledger
	Plan          billing.Plan    `json:"-"` // without lines if there is none
	InvoiceToRead string          `json:"-"` // id of the final invoice, or else of the draft; empty if the message has none
}

// Value is the value of an attribute.
type Value struct {
	Type  string `json:"type"`  // SQS data type, for example String or Number.custom
	Value string `json:"value"` // base64 if Type is Binary or Binary.custom
}

var (
	// ErrUnknown means that all messages were visited, and none has the id.
	ErrUnknown = errors.New("dead letter not found")
	// ErrUnseen means that no visited message has the id, and not all messages were visited.
	ErrUnseen = errors.New("dead letter not found, but the scan was incomplete: " + Incomplete)
)

// Show returns the dead letter with the given message or event id, and record and plan of its invoice. It
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

// addLedger sets the fields that depend on the ledger, and InvoiceToRead.
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
	planMissing := errors.Is(err, billing.ErrNotFound)
	if err != nil && !planMissing {
		return err
	}
	if hasPlan, atRisk := linesAtRisk(record); hasPlan && (!planMissing || !atRisk) {
		s.ChargeAtRisk = new(chargeAtRisk(record, s.Plan))
	}
	return nil
}

// bodyValue returns the value of Shown.Body.
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
