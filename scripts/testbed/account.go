package testbed

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/sandbox/reconciliation"
)

// Account compares the events with the invoices.
func (w *Env) Reconcile(ctx context.Context) (reconciliation.Result, error) {
	var events []reconciliation.Event
	pages := dynamodb.NewScanPaginator(w.dynamodbClient, &dynamodb.ScanInput{TableName: aws.String(w.eventsTable()), ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return reconciliation.Result{}, fmt.Errorf("read the events: %w", err)
		}
		for _, item := range page.Items {
			events = append(events, reconciliation.NewEvent(func(name string) string { return text(item[name]) }))
		}
	}
	var invoices []reconciliation.Invoice
	for _, invoice := range w.Chargebee.Invoices() {
		invoices = append(invoices, reconciliation.NewInvoice(invoice))
	}
	return reconciliation.Compare(events, invoices, nil), nil
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
