package ledger

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/event"
	"github.com/billable-events/billable/pkg/queue"
)

// webhook is as much of the body of a webhook as a consumer reads.
// https://apidocs.chargebee.com/docs/api/events/webhook/pending_invoice_created
type webhook struct {
	ID         string  `json:"id"`
	OccurredAt int64   `json:"occurred_at"`
	Source     string  `json:"source"`
	Object     string  `json:"object"`
	APIVersion string  `json:"api_version"`
	EventType  string  `json:"event_type"`
	Content    content `json:"content"`
}

type content struct {
	Invoice pendingInvoice `json:"invoice"`
}

type pendingInvoice struct {
	ID             string     `json:"id"`
	CustomerID     string     `json:"customer_id"`
	SubscriptionID string     `json:"subscription_id,omitempty"`
	CurrencyCode   string     `json:"currency_code"`
	Status         string     `json:"status"`
	Date           int64      `json:"date"`
	LineItems      []lineItem `json:"line_items,omitempty"` // left out unless they are all
}

type lineItem struct {
	ID             string `json:"id"`
	SubscriptionID string `json:"subscription_id,omitempty"`
}

// message is what the receiver would have put into the queue for an invoice, had its
// webhook arrived. Without its lines, the consumer asks Chargebee for them.
func message(invoice billing.Invoice, now time.Time) (queue.Message, error) {
	body, err := json.Marshal(webhook{
		ID:         fmt.Sprintf("sweep_%s_%d", invoice.ID, now.Unix()),
		OccurredAt: now.Unix(),
		Source:     "consumer_sweep",
		Object:     "event",
		APIVersion: "v2",
		EventType:  event.PendingInvoiceCreated,
		Content: content{pendingInvoice{
			ID:             invoice.ID,
			CustomerID:     invoice.CustomerID,
			SubscriptionID: invoice.SubscriptionID,
			CurrencyCode:   invoice.CurrencyCode,
			Status:         invoice.Status,
			Date:           invoice.Date,
			LineItems:      lines(invoice),
		}},
	})
	if err != nil {
		return queue.Message{}, err
	}
	parsed, err := event.ParseMessage(body)
	if err != nil {
		return queue.Message{}, fmt.Errorf("no message can be made of what Chargebee shows: %w", err)
	}
	return queue.Message{
		Body: body,
		Attributes: map[string]string{
			queue.AttributeEventID:    parsed.ID,
			queue.AttributeEventType:  parsed.Type,
			queue.AttributeInvoiceID:  parsed.Invoice.ID,
			queue.AttributeReceivedAt: now.UTC().Format(time.RFC3339),
		},
		GroupID: parsed.Invoice.CustomerID,
	}, nil
}

// lines are the invoice's lines, or none if the answer may not show all.
func lines(invoice billing.Invoice) []lineItem {
	if len(invoice.Lines) >= billing.ShortAnswer {
		return nil
	}
	items := make([]lineItem, len(invoice.Lines))
	for i, line := range invoice.Lines {
		items[i] = lineItem{line.ID, line.SubscriptionID}
	}
	return items
}
