package testbed

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// Currency of all subscriptions and events.
const Currency = "EUR"

const (
	day           = 24 * time.Hour
	maxWriteBatch = 25 // of BatchWriteItem
)

// products are what the events charge. Amounts are in cents and fractions of cents.
var products = []struct{ code, description string }{
	{"api_calls", "API calls"},
	{"storage", "Storage, gigabyte days"},
	{"messages", "Messages sent"},
	{"seats", "Additional seats"},
	{"exports", "Exports"},
}

// Workload is subscriptions with billable events, and one pending invoice for each.
type Workload struct {
	Invoices   int
	Events     int // per invoice
	Codes      int // charge codes per invoice; each becomes a line
	EarlyEvery int // one in this many subscriptions has an event of the next invoice; 0 is none
	Seed       uint64
}

// Fill writes the events of every subscription and renews it. It returns the ids of the Chargebee
// events that announce the invoices.
func (e *Env) Fill(ctx context.Context, workload Workload) (announcements []string, err error) {
	random := rand.New(rand.NewPCG(workload.Seed, 0)) //nolint:gosec // the same seed gives the same events
	now := time.Now()
	var items []types.WriteRequest
	for i := range workload.Invoices {
		number := fmt.Sprintf("%05d", i+1)
		add := func(event int, occurred time.Time) {
			items = append(items, newEvent(random, number, event, workload.Codes, occurred))
		}
		e.Chargebee.AddSubscription(chargebee.Subscription{
			ID:           "sub_" + number,
			CustomerID:   "cust_" + number,
			CurrencyCode: Currency,
			Plan:         chargebee.Plan{ItemPriceID: "team-EUR-monthly", Description: "Team plan", UnitAmount: 4900},
		})
		for event := range workload.Events {
			add(event, now.Add(-time.Duration(random.Int64N(int64(30*day)))-time.Second))
		}
		if workload.EarlyEvery > 0 && i%workload.EarlyEvery == 0 {
			add(workload.Events, now.Add(day))
		}
		_, announcement, err := e.Chargebee.Renew(chargebee.Renewal{SubscriptionIDs: []string{"sub_" + number}, Date: now})
		if err != nil {
			return nil, fmt.Errorf("renew sub_%s: %w", number, err)
		}
		announcements = append(announcements, announcement.ID)
	}
	for batch := range slices.Chunk(items, maxWriteBatch) {
		for requests := map[string][]types.WriteRequest{e.eventsTable(): batch}; len(requests) > 0; {
			written, err := e.dynamodbClient.BatchWriteItem(ctx, &awsdynamodb.BatchWriteItemInput{RequestItems: requests})
			if err != nil {
				return nil, fmt.Errorf("write events: %w", err)
			}
			requests = written.UnprocessedItems
		}
	}
	return announcements, nil
}

// newEvent returns a billable event of a subscription, as a producer writes it.
func newEvent(random *rand.Rand, subscription string, number, codes int, occurred time.Time) types.WriteRequest {
	kind := number % codes
	product := products[kind%len(products)]
	code := product.code
	if kind >= len(products) {
		code = fmt.Sprintf("%s_%d", code, kind/len(products))
	}
	str := func(value string) types.AttributeValue { return &types.AttributeValueMemberS{Value: value} }
	num := func(value string) types.AttributeValue { return &types.AttributeValueMemberN{Value: value} }
	return types.WriteRequest{PutRequest: &types.PutRequest{Item: map[string]types.AttributeValue{
		"subscription_id": str("sub_" + subscription),
		"event_id":        str(fmt.Sprintf("evt_%06d_%08x", number, random.Uint32())),
		"customer_id":     str("cust_" + subscription),
		"occurred_at":     num(strconv.FormatInt(occurred.Unix(), 10)),
		"charge_code":     str(code),
		"description":     str(product.description),
		"amount":          num(fmt.Sprintf("%d.%03d", random.IntN(500), random.IntN(1000))),
		"quantity":        num(strconv.Itoa(1 + random.IntN(20))),
		"currency_code":   str(Currency),
		"unbilled":        str("sub_" + subscription),
		"status":          str("unbilled"),
	}}}
}
