package dynamostore

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/billing"
)

// attributeInvoices is a set of strings "<date of the invoice in unix seconds> <draft id>".
const attributeInvoices = "invoices"

func subscriptionKey(subscriptionID string) string { return "#subscription#" + subscriptionID }

// InvoicesOf returns the invoices for which events of a subscription were claimed, in no order.
func (s *Store) InvoicesOf(ctx context.Context, subscriptionID string) ([]billing.SubscriptionInvoice, error) {
	found, err := s.get(ctx, subscriptionKey(subscriptionID))
	if err != nil {
		return nil, err
	}
	set, _ := found[attributeInvoices].(*types.AttributeValueMemberSS)
	if set == nil {
		return nil, nil
	}
	invoices := make([]billing.SubscriptionInvoice, len(set.Value))
	for i, value := range set.Value {
		date, id, _ := strings.Cut(value, " ")
		invoices[i].ID = id
		if invoices[i].Date, err = strconv.ParseInt(date, 10, 64); err != nil {
			return nil, fmt.Errorf("dynamodb: %s: invoice %q: %w", subscriptionKey(subscriptionID), value, err)
		}
	}
	return invoices, nil
}

// addToSubscription returns the action that adds the invoice of a step to a subscription.
func (s *Store) addToSubscription(step billing.Step, subscriptionID string) *types.Update {
	value := strconv.FormatInt(step.Date, 10) + " " + step.Record.InvoiceID
	return &types.Update{
		TableName:        &s.LedgerTable,
		Key:              ledgerKey(subscriptionKey(subscriptionID)),
		UpdateExpression: aws.String("ADD invoices :invoice SET expires_at = :at"),
		ExpressionAttributeValues: item{
			":invoice": &types.AttributeValueMemberSS{Value: []string{value}},
			":at":      number(step.Record.UpdatedAt + int64(lookupTTL.Seconds())),
		},
	}
}
