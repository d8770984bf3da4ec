package dynamostore

import (
	"cmp"
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

// unbilledIndex is the sparse index of unbilled events. Its partition key is the attribute unbilled, which has the
// subscription id and is absent once the event is claimed. Its sort key is occurred_at.
const unbilledIndex = "unbilled"

// queryLimit is the maximum number of events per page of a query. Without it a page has 1 MB: decoded to small events,
// it takes about 10 MB of memory in each session.
const queryLimit = 5 * billing.MaxPageEvents

// Unbilled returns the unbilled events of a subscription that occurred before the given unix second, without voided
// ones. The index is eventually consistent: the result may be stale.
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
	output, err := withRetry(ctx, func(ctx context.Context) (*dynamodb.QueryOutput, error) { return s.Client.Query(ctx, query) })
	if err != nil {
		return nil, fmt.Errorf("dynamodb: query %s: %w", aws.ToString(query.IndexName), err)
	}
	return output, nil
}

// chargeAttributes are the attributes, in addition to occurred_at, that determine a charge. A claim
// requires them to be unchanged.
var chargeAttributes = [...]chargeAttribute{
	{"charge_code", ":cc", false}, {"description", ":d", false}, {"currency_code", ":cu", false}, {"amount", ":a", true}, {"quantity", ":q", true},
}

// chargeAttribute is an attribute of an event, with the placeholder for its value in conditions.
type chargeAttribute struct {
	name, placeholder string
	isNumber          bool
}

// chargeFields returns the fields of an event, in the order of chargeAttributes.
func chargeFields(event *billing.Event) [len(chargeAttributes)]*string {
	return [...]*string{&event.ChargeCode, &event.Description, &event.CurrencyCode, &event.Amount, &event.Quantity}
}

// decode decodes the value of the attribute, which is nil if the attribute is absent.
func (a chargeAttribute) decode(value types.AttributeValue) (decoded, fault string) {
	switch value := value.(type) {
	case nil:
		return "", ""
	case *types.AttributeValueMemberS:
		if !a.isNumber {
			return value.Value, ""
		}
	case *types.AttributeValueMemberN:
		if a.isNumber {
			return value.Value, ""
		}
	}
	if a.isNumber {
		return "", a.name + " is not a number"
	}
	return "", a.name + " is not a string"
}

// isVoid reports whether the producer withdrew the event. The index may be stale and still have such events.
func isVoid(event item) bool { return reader(event).text("status") == billing.EventVoid }

// decodeEvent decodes an event. If several attributes are faulty, Fault is about the last of them. A claimed or billed
// event has a Fault, because its attribute unbilled is absent.
func decodeEvent(src item) billing.Event {
	event := billing.Event{Size: sizeOf(src)}
	event.SubscriptionID = reader(src).text("subscription_id")
	event.EventID = reader(src).text("event_id")
	event.OccurredAt = reader(src).number("occurred_at")
	if occurred, ok := src["occurred_at"].(*types.AttributeValueMemberN); ok && strings.ContainsAny(occurred.Value, ".eE-") {
		event.Fault = "occurred_at is not unix seconds: " + occurred.Value
	}
	if unbilled := reader(src).text("unbilled"); unbilled != event.SubscriptionID {
		event.Fault = fmt.Sprintf("unbilled is %q, want subscription_id %q", unbilled, event.SubscriptionID)
	}
	for i, field := range chargeFields(&event) {
		attribute := chargeAttributes[i]
		var fault string
		*field, fault = attribute.decode(src[attribute.name])
		event.Fault = cmp.Or(fault, event.Fault)
	}
	return event
}

// sizeOf returns the approximate size of an item in bytes, as DynamoDB counts it for the limit of a transaction. It
// counts the characters of a number, which are about twice the stored size.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func sizeOf(src item) int {
	size := 0
	for name, value := range src {
		size += len(name) + sizeOfValue(value)
	}
	return size
}

func sizeOfValue(value types.AttributeValue) int {
	const overhead, entryOverhead = 3, 1 // of a list or map, and of each of its entries
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
			size += entryOverhead + sizeOfValue(entry)
		}
		return size
	case *types.AttributeValueMemberM:
		return overhead + sizeOf(value.Value) + entryOverhead*len(value.Value)
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
	default: // BOOL, NULL
		return 1
	}
}

func eventKey(key billing.EventKey) item {
	return item{"subscription_id": text(key.SubscriptionID), "event_id": text(key.EventID)}
}

// statusOf returns the status of an event, EventUnbilled if it has none; empty if there is no event.
func statusOf(found reader) string {
	if len(found) == 0 {
		return ""
	}
	if status := found.text("status"); status != "" {
		return status
	}
	return billing.EventUnbilled
}
