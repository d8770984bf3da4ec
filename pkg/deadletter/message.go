package deadletter

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/event"
	"github.com/billable-events/billable/pkg/nullable"
	"github.com/billable-events/billable/pkg/queue"
)

// Message is a dead letter. Absent values are null, except SubscriptionIDs (empty) and LedgerState (NoLedger).
type Message struct {
	MessageID       string     `json:"message_id"`
	EventID         *string    `json:"event_id"`
	InvoiceID       *string    `json:"invoice_id"`
	CustomerID      *string    `json:"customer_id"`
	SubscriptionIDs []string   `json:"subscription_ids"`
	Reason          *string    `json:"reason"` // null: moved by SQS
	Detail          *string    `json:"detail"`
	FailedAt        *time.Time `json:"failed_at"`
	ReceivedAt      *time.Time `json:"received_at"` // by the receiver
	ReceiveCount    int        `json:"receive_count"`
	ReplayCount     int        `json:"replay_count"`
	LedgerState     string     `json:"ledger_state"`
	ChargeAtRisk    *int64     `json:"charge_at_risk"` // minor units; null without a record or a plan, 0 if the invoice is finished
	CurrencyCode    *string    `json:"currency_code"`

	sentAt      time.Time // when it was sent to the dead-letter queue, or to the main queue if SQS moved it
	holdsClaims bool      // billing.Record.HoldsClaims of its invoice
}

// describe returns the message without the data of the ledger. The ids are those of the body, or else those of
// the attributes, which may be absent if another program sent the message.
func describe(received queue.Message) Message {
	message := Message{
		MessageID:       received.ID,
		EventID:         nullable.String(received.Attributes[queue.AttributeEventID]),
		InvoiceID:       nullable.String(received.Attributes[queue.AttributeInvoiceID]),
		SubscriptionIDs: []string{},
		Reason:          nullable.String(received.Attributes[queue.AttributeReason]),
		Detail:          nullable.String(received.Attributes[queue.AttributeDetail]),
		FailedAt:        parseTime(received.Attributes[queue.AttributeFailedAt]),
		ReceivedAt:      parseTime(received.Attributes[queue.AttributeReceivedAt]),
		ReceiveCount:    received.ReceiveCount,
		ReplayCount:     received.ReplayCount(),
		LedgerState:     NoLedger,
		sentAt:          received.SentAt,
	}
	if webhook, err := event.ParseMessage(received.Body); err == nil {
		message.EventID = cmp.Or(nullable.String(webhook.ID), message.EventID)
		message.InvoiceID = cmp.Or(nullable.String(webhook.Invoice.ID), message.InvoiceID)
		message.CustomerID = nullable.String(webhook.Invoice.CustomerID)
		message.CurrencyCode = nullable.String(webhook.Invoice.CurrencyCode)
		message.SubscriptionIDs = subscriptionIDs(webhook.Invoice)
	}
	return message
}

// addRecord reads the record of the invoice, sets the fields that depend on it, and returns it. ok is false if
// there is no record.
func (m *Message) addRecord(ctx context.Context, records Records) (record billing.Record, ok bool, err error) {
	if m.InvoiceID == nil {
		return billing.Record{}, false, nil
	}
	record, ok, err = records.Record(ctx, *m.InvoiceID)
	if err != nil || !ok {
		return billing.Record{}, false, err
	}
	m.LedgerState, m.holdsClaims = string(record.State), record.HoldsClaims()
	if m.Reason == nil { // SQS moved the message: the detail of its last session is in the record
		m.Detail = nullable.String(record.Detail)
	}
	return record, true, nil
}

// failedOrSentAt returns when the message failed, or sentAt if that is unknown.
func (m Message) failedOrSentAt() time.Time {
	if m.FailedAt != nil {
		return *m.FailedAt
	}
	return m.sentAt
}

// subscriptionIDs returns the subscription of the invoice, or else the distinct subscriptions of its lines.
func subscriptionIDs(invoice event.Invoice) []string {
	if invoice.SubscriptionID != "" {
		return []string{invoice.SubscriptionID}
	}
	distinct := map[string]bool{}
	for _, line := range invoice.LineItems {
		if line.SubscriptionID != "" {
			distinct[line.SubscriptionID] = true
		}
	}
	return append([]string{}, slices.Sorted(maps.Keys(distinct))...) // not nil: [] in JSON
}

// parseTime parses a time in RFC 3339. It returns nil for any other text: other producers may set the attribute.
func parseTime(value string) *time.Time {
	parsed, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return nil
	}
	return nullable.Time(parsed)
}
