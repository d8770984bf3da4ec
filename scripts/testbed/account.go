package testbed

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/sandbox/books"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// Account reads the three books and compares them.
func (w *World) Account(ctx context.Context) (books.Account, error) {
	events, err := w.events(ctx)
	if err != nil {
		return books.Account{}, err
	}
	var invoices []books.Invoice
	for _, invoice := range w.Chargebee.Invoices() {
		invoices = append(invoices, billed(invoice))
	}
	return books.Compare(events, invoices, nil), nil
}

// events reads the whole table of events.
func (w *World) events(ctx context.Context) ([]books.Event, error) {
	var events []books.Event
	pages := dynamodb.NewScanPaginator(w.dynamodbClient, &dynamodb.ScanInput{TableName: aws.String(w.eventsTable()), ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the events: %w", err)
		}
		for _, item := range page.Items {
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
	}
	return events, nil
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

func text(value types.AttributeValue) string {
	switch value := value.(type) {
	case *types.AttributeValueMemberS:
		return value.Value
	case *types.AttributeValueMemberN:
		return value.Value
	default:
		return ""
	}
}

func integer(value types.AttributeValue) int64 {
	parsed, _ := strconv.ParseInt(text(value), 10, 64)
	return parsed
}
