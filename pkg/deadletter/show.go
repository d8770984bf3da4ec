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
	"github.com/billable-events/billable/pkg/queue"
)

// Shown is one dead letter with what it holds. What is not known is null.
type Shown struct {
	Letter

	GroupID    *string          `json:"group_id"`
	Body       any              `json:"body"` // JSON as it came, or else a text
	Attributes map[string]Value `json:"attributes"`

	EventType string          `json:"-"` // empty if the body is not a webhook event
	Record    *billing.Record `json:"-"` // nil if the ledger does not know the invoice
	PlanLines int             `json:"-"`
	LookAt    string          `json:"-"` // the invoice to read from Chargebee: the draft, or the final invoice; empty if there is none
}

// Value is the value of an attribute.
type Value struct {
	Type  string `json:"type"`  // String, Number, Binary or a custom one
	Value string `json:"value"` // base64 if it is binary
}

var (
	// ErrUnknown says that there is no such dead letter.
	ErrUnknown = errors.New("there is no such dead letter")
	// ErrUnseen says that there may be one: not all could be seen.
	ErrUnseen = errors.New("no such dead letter was seen, but not all could be: another reader holds some, or there are too many")
)

// Show returns the dead letter with a message or event id, with what the ledger says about
// its invoice. It reads no more of the queue than it takes to find it. Errors: ErrUnknown,
// ErrUnseen, and those of browser and ledger.
func Show(ctx context.Context, browser Browser, ledger Ledger, id string) (Shown, error) {
	message, err := find(ctx, browser, id)
	if err != nil {
		return Shown{}, err
	}
	shown := Shown{Letter: read(message), Body: bodyOf(message), Attributes: values(message), GroupID: text(message.GroupID)}
	if webhook, err := event.ParseMessage(message.Body); err == nil {
		shown.EventType = webhook.Type
	}
	return shown, shown.consultAll(ctx, ledger)
}

// find returns the message with a message or event id.
func find(ctx context.Context, browser Browser, id string) (queue.Message, error) {
	var found *queue.Message
	wanted := Filter{Event: id}
	complete, err := browser.Browse(ctx, func(messages []queue.Message) bool {
		for _, message := range messages {
			if wanted.chooses(read(message), time.Time{}) {
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

// consultAll adds what head and plan say.
func (s *Shown) consultAll(ctx context.Context, ledger Ledger) error {
	if s.InvoiceID != nil {
		s.LookAt = *s.InvoiceID
	}
	record, ok, err := s.consult(ctx, ledger)
	if err != nil || !ok {
		return err
	}
	if record.FinalInvoiceID != "" { // the draft has become this one
		s.LookAt = record.FinalInvoiceID
	}
	s.Record = &record
	plan, planned, err := planOf(ctx, ledger, record)
	if err != nil || !planned {
		return err
	}
	s.ChargeAtRisk, s.PlanLines = new(chargeAtRisk(record, plan)), len(plan.Lines)
	return nil
}

// bodyOf is the body as a document holds it.
func bodyOf(message queue.Message) any {
	if utf8.Valid(message.Body) && json.Valid(message.Body) {
		return json.RawMessage(message.Body)
	}
	return string(message.Body)
}

func values(message queue.Message) map[string]Value {
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
