package testbed

import (
	"slices"
	"strconv"

	"github.com/billable-events/billable/pkg/sandbox/books"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// Account reads the three books and compares them.
func (w *World) Account() books.Account {
	var events []books.Event
	for _, item := range w.DynamoDB.Items(eventsTable) {
		events = append(events, books.Event{
			SubscriptionID: text(item["subscription_id"]),
			EventID:        text(item["event_id"]),
			OccurredAt:     integer(item["occurred_at"]),
			ChargeCode:     text(item["charge_code"]),
			Amount:         text(item["amount"]),
			Status:         text(item["status"]),
			InvoiceID:      text(item["invoice_id"]),
			FinalID:        text(item["final_invoice_id"]),
		})
	}
	var invoices []books.Invoice
	for _, invoice := range w.Chargebee.Invoices() {
		invoices = append(invoices, billed(invoice))
	}
	return books.Compare(events, invoices, nil)
}

func billed(invoice chargebee.Invoice) books.Invoice {
	entry := books.Invoice{
		DraftID: invoice.DraftID,
		ID:      invoice.ID,
		Date:    invoice.Date,
		Closed:  invoice.Status != chargebee.StatusPending,
	}
	if entry.DraftID == "" {
		entry.DraftID = invoice.ID
	}
	for _, line := range invoice.LineItems {
		if line.EntityType == chargebee.EntityAdhoc {
			entry.Charges = append(entry.Charges, books.Charge{SubscriptionID: line.SubscriptionID, Amount: line.Amount})
		}
		if !slices.Contains(entry.SubscriptionIDs, line.SubscriptionID) {
			entry.SubscriptionIDs = append(entry.SubscriptionIDs, line.SubscriptionID)
		}
	}
	return entry
}

func text(value attribute.Value) string {
	switch value := value.(type) {
	case attribute.String:
		return string(value)
	case attribute.Number:
		return value.String()
	default:
		return ""
	}
}

func integer(value attribute.Value) int64 {
	parsed, _ := strconv.ParseInt(text(value), 10, 64)
	return parsed
}
