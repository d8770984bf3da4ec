package deadletter

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/event"
	"github.com/billable-events/billable/pkg/queue"
)

// Letter is one dead letter. What is not known is null.
type Letter struct {
	MessageID       string     `json:"message_id"`
	EventID         *string    `json:"event_id"`
	InvoiceID       *string    `json:"invoice_id"`
	CustomerID      *string    `json:"customer_id"`
	SubscriptionIDs []string   `json:"subscription_ids"`
	Reason          *string    `json:"reason"` // null: moved by the queue itself
	Detail          *string    `json:"detail"`
	FailedAt        *time.Time `json:"failed_at"`
	ReceivedAt      *time.Time `json:"received_at"` // by the receiver
	ReceiveCount    int        `json:"receive_count"`
	ReplayCount     int        `json:"replay_count"`
	LedgerState     string     `json:"ledger_state"`
	ChargeAtRisk    *int64     `json:"charge_at_risk"` // minor units; null: there is no plan in force
	CurrencyCode    *string    `json:"currency_code"`

	sent        time.Time // into the queue
	holdsClaims bool      // events are claimed for its invoice
}

// read describes one dead letter without the ledger. Its body counts more than its
// attributes, which messages from elsewhere may lack.
func read(message queue.Message) Letter {
	letter := Letter{
		MessageID:       message.ID,
		EventID:         text(message.Attributes[queue.AttributeEventID]),
		InvoiceID:       text(message.Attributes[queue.AttributeInvoiceID]),
		SubscriptionIDs: []string{},
		Reason:          text(message.Attributes[queue.AttributeReason]),
		Detail:          text(message.Attributes[queue.AttributeDetail]),
		FailedAt:        instant(message.Attributes[queue.AttributeFailedAt]),
		ReceivedAt:      instant(message.Attributes[queue.AttributeReceivedAt]),
		ReceiveCount:    message.ReceiveCount,
		ReplayCount:     message.ReplayCount(),
		LedgerState:     NoLedger,
		sent:            message.SentAt,
	}
	if webhook, err := event.ParseMessage(message.Body); err == nil {
		letter.EventID = cmp.Or(text(webhook.ID), letter.EventID)
		letter.InvoiceID = cmp.Or(text(webhook.Invoice.ID), letter.InvoiceID)
		letter.CustomerID = text(webhook.Invoice.CustomerID)
		letter.CurrencyCode = text(webhook.Invoice.CurrencyCode)
		letter.SubscriptionIDs = subscriptions(webhook.Invoice)
	}
	return letter
}

// consult adds what the head of the letter's invoice says, and returns it; ok is false
// when there is none.
func (l *Letter) consult(ctx context.Context, heads Records) (record billing.Record, ok bool, err error) {
	if l.InvoiceID == nil {
		return billing.Record{}, false, nil
	}
	record, ok, err = heads.Record(ctx, *l.InvoiceID)
	if err != nil || !ok {
		return billing.Record{}, false, err
	}
	l.LedgerState, l.holdsClaims = string(record.State), record.HoldsClaims()
	if l.Reason == nil { // the queue moved it: the ledger's last error says more than nothing
		l.Detail = text(record.Detail)
	}
	return record, true, nil
}

func subscriptions(invoice event.Invoice) []string {
	if invoice.SubscriptionID != "" {
		return []string{invoice.SubscriptionID}
	}
	distinct := map[string]bool{}
	for _, line := range invoice.LineItems {
		if line.SubscriptionID != "" {
			distinct[line.SubscriptionID] = true
		}
	}
	found := slices.Sorted(maps.Keys(distinct))
	if found == nil {
		found = []string{}
	}
	return found
}

func text(value string) *string {
	if value == "" {
		return nil
	}
	return &value
}

func instant(value string) *time.Time {
	parsed, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return nil
	}
	parsed = parsed.UTC()
	if year := parsed.Year(); year < 0 || year > 9999 { // moved out of RFC 3339 by its offset
		return nil
	}
	return &parsed
}
