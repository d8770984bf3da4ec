package dynamostore

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/billing"
)

// unbilledIndex is the sparse index of unbilled events: partition key unbilled,
// sort key occurred_at.
const unbilledIndex = "unbilled"

// queryLimit is the maximum number of events of one query. An answer of 1 MB with small events would
// take ten times as much memory once decoded, for each concurrent session.
const queryLimit = 5 * billing.MaxPageEvents

// Unbilled returns the unbilled events of a subscription that occurred before the given unix second,
// as the index shows them.
func (s *Store) Unbilled(ctx context.Context, subscriptionID string, before int64) iter.Seq2[billing.Event, error] {
	query := dynamodb.QueryInput{
		TableName:                 &s.EventsTable,
		IndexName:                 aws.String(unbilledIndex),
		KeyConditionExpression:    aws.String("unbilled = :subscription AND occurred_at < :before"),
		ExpressionAttributeValues: item{":subscription": text(subscriptionID), ":before": number(before)},
		Limit:                     aws.Int32(queryLimit),
	}
	return paged(decodeEvent, func(start item) ([]item, item, error) {
		page := query
		page.ExclusiveStartKey = start
		output, err := s.query(ctx, &page)
		if err != nil {
			return nil, nil, err
		}
		return slices.DeleteFunc(output.Items, isVoid), output.LastEvaluatedKey, nil
	})
}

func (s *Store) query(ctx context.Context, query *dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
	output, err := read(ctx, func(ctx context.Context) (*dynamodb.QueryOutput, error) { return s.Client.Query(ctx, query) })
	if err != nil {
		return nil, fmt.Errorf("dynamodb: query %s: %w", aws.ToString(query.IndexName), err)
	}
	return output, nil
}

// foldedTexts and foldedNumbers are the attributes, besides occurred_at, that determine a charge. A
// claim requires them to be unchanged.
var (
	foldedTexts   = [...]attribute{{"charge_code", ":cc"}, {"description", ":d"}, {"currency_code", ":cu"}}
	foldedNumbers = [...]attribute{{"amount", ":a"}, {"quantity", ":q"}}
)

// attribute is an attribute of an event, and the name of its value in conditions.
type attribute struct{ name, value string }

// isVoid reports whether the producer withdrew the event. The index may still show it.
func isVoid(event item) bool { return reader(event).text("status") == billing.EventVoid }

func decodeEvent(from item) billing.Event {
	event := billing.Event{Size: sizeOf(from)}
	event.SubscriptionID = reader(from).text("subscription_id")
	event.EventID = reader(from).text("event_id")
	event.OccurredAt = reader(from).number("occurred_at")
	if occurred, ok := from["occurred_at"].(*types.AttributeValueMemberN); ok && strings.ContainsAny(occurred.Value, ".eE") {
		event.Fault = "occurred_at is not an integer: " + occurred.Value
	}
	if unbilled := reader(from).text("unbilled"); unbilled != event.SubscriptionID {
		event.Fault = "unbilled is not the subscription_id: " + unbilled
	}
	texts := []*string{&event.ChargeCode, &event.Description, &event.CurrencyCode}
	for i, attribute := range foldedTexts {
		switch value := from[attribute.name].(type) {
		case nil:
		case *types.AttributeValueMemberS:
			*texts[i] = value.Value
		default:
			event.Fault = attribute.name + " is not a string"
		}
	}
	numbers := []*string{&event.Amount, &event.Quantity}
	for i, attribute := range foldedNumbers {
		switch value := from[attribute.name].(type) {
		case nil:
		case *types.AttributeValueMemberN:
			*numbers[i] = value.Value
		default:
			event.Fault = attribute.name + " is not a number"
		}
	}
	return event
}

// sizeOf returns the approximate size of an item in bytes, as transactions count it.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func sizeOf(from item) int {
	size := 0
	for name, value := range from {
		size += len(name) + sizeOfValue(value)
	}
	return size
}

func sizeOfValue(value types.AttributeValue) int {
	const overhead = 3
	switch value := value.(type) {
	case *types.AttributeValueMemberS:
		return len(value.Value)
	case *types.AttributeValueMemberN:
		return len(value.Value)
	case *types.AttributeValueMemberB:
		return len(value.Value)
	case *types.AttributeValueMemberL:
		size := overhead
		for _, entry := range value.Value {
			size += 1 + sizeOfValue(entry)
		}
		return size
	case *types.AttributeValueMemberM:
		return overhead + sizeOf(value.Value) + len(value.Value)
	case *types.AttributeValueMemberSS:
		return len(strings.Join(value.Value, ""))
	case *types.AttributeValueMemberNS:
		return len(strings.Join(value.Value, ""))
	case *types.AttributeValueMemberBS:
		size := 0
		for _, entry := range value.Value {
			size += len(entry)
		}
		return size
	default:
		return 1
	}
}

func eventKey(key billing.EventKey) item {
	return item{"subscription_id": text(key.SubscriptionID), "event_id": text(key.EventID)}
}

// statusOf returns the status of an event; empty if there is no event.
func statusOf(found reader) string {
	if len(found) == 0 {
		return ""
	}
	if status := found.text("status"); status != "" {
		return status
	}
	return billing.EventUnbilled
}
