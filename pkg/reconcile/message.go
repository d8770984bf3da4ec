package reconcile

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/event"
	"github.com/billable-events/billable/pkg/queue"
)

// webhook has the fields of a webhook event that a consumer requires. All others it reads from Chargebee.
// https://apidocs.chargebee.com/docs/api/events/webhook/pending_invoice_created
type webhook struct {
	ID         string `json:"id"`
	OccurredAt int64  `json:"occurred_at"`
	Source     string `json:"source"`
	EventType  string `json:"event_type"`
	Content    struct {
		Invoice struct {
			ID string `json:"id"`
		} `json:"invoice"`
	} `json:"content"`
}

// newMessage returns a message that consumers handle like the one for the webhook of the invoice.
func newMessage(invoice billing.Invoice, now time.Time) (queue.Message, error) {
	sent := webhook{
		ID:         fmt.Sprintf("sweep_%s_%d", invoice.ID, now.Unix()),
		OccurredAt: now.Unix(),
		Source:     "consumer_sweep",
		EventType:  event.PendingInvoiceCreated,
	}
	sent.Content.Invoice.ID = invoice.ID
	body, err := json.Marshal(sent)
	if err != nil {
		return queue.Message{}, err
	}
	parsed, err := event.ParseMessage(body)
	if err != nil {
		return queue.Message{}, fmt.Errorf("invalid invoice from Chargebee: %w", err)
	}
	return queue.Message{
		Body: body,
		Attributes: map[string]string{
			queue.AttributeEventID:    parsed.ID,
			queue.AttributeEventType:  parsed.Type,
			queue.AttributeInvoiceID:  parsed.Invoice.ID,
			queue.AttributeReceivedAt: now.UTC().Format(time.RFC3339),
		},
		GroupID: cmp.Or(invoice.CustomerID, invoice.ID),
	}, nil
}
