package testbed

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

const (
	// Currency is what everything is billed in.
	Currency = "EUR"

	planPrice  = 4900
	writeBatch = 25 // the most that BatchWriteItem takes
)

// products are what the events sell. Amounts are in cents, some in fractions of
// them: they are summed exactly and rounded once per line.
var products = []struct{ code, description string }{
	{"api_calls", "API calls"},
	{"storage", "Storage, gigabyte days"},
	{"messages", "Messages sent"},
	{"seats", "Additional seats"},
	{"exports", "Exports"},
}

// Renewals is what Fill makes: subscriptions with events, and one pending invoice for
// each.
type Workload struct {
	Invoices   int
	Events     int // per invoice
	Codes      int // charge codes per invoice, each of which becomes a line
	EarlyEvery int // one event of every so many subscriptions belongs to the next invoice; 0: none
	Seed       uint64
}

// Fill writes events for every subscription and renews it. It returns the ids of the
// Chargebee events that announce the invoices.
func (w *Env) Fill(ctx context.Context, renewals Workload) ([]string, error) {
	random := rand.New(rand.NewPCG(renewals.Seed, 0)) //nolint:gosec // the same seed gives the same events
	now := time.Now()
	var announced []string
	var batch []types.WriteRequest
	for i := range renewals.Invoices {
		subscription := fmt.Sprintf("sub_%05d", i+1)
		w.Chargebee.AddSubscription(chargebee.Subscription{
			ID:           subscription,
			CustomerID:   customerOf(subscription),
			CurrencyCode: Currency,
			Plan:         chargebee.Plan{ItemPriceID: "team-EUR-monthly", Description: "Team plan", UnitAmount: planPrice},
		})
		for j := range renewals.Events {
			batch = append(batch, event(random, subscription, j, renewals.Codes, now.Add(-time.Duration(random.Int64N(int64(30*day)))-time.Second)))
		}
		if renewals.EarlyEvery > 0 && i%renewals.EarlyEvery == 0 {
			batch = append(batch, event(random, subscription, renewals.Events, renewals.Codes, now.Add(day)))
		}
		for len(batch) >= writeBatch {
			if err := w.write(ctx, batch[:writeBatch]); err != nil {
				return nil, err
			}
			batch = batch[writeBatch:]
		}
		_, announcement, err := w.Chargebee.Renew(chargebee.Renewal{SubscriptionIDs: []string{subscription}, Date: now})
		if err != nil {
			return nil, fmt.Errorf("renew %s: %w", subscription, err)
		}
		announced = append(announced, announcement.ID)
	}
	if len(batch) == 0 {
		return announced, nil
	}
	return announced, w.write(ctx, batch)
}

func customerOf(subscription string) string { return "cust" + subscription[len("sub"):] }

// event is one billable event, as a business's own service would write it.
func event(random *rand.Rand, subscription string, number, codes int, occurred time.Time) types.WriteRequest {
	kind := number % codes
	product := products[kind%len(products)]
	code := product.code
	if kind >= len(products) {
		code = fmt.Sprintf("%s_%d", code, kind/len(products))
	}
	text := func(value string) types.AttributeValue { return &types.AttributeValueMemberS{Value: value} }
	number64 := func(value string) types.AttributeValue { return &types.AttributeValueMemberN{Value: value} }
	return types.WriteRequest{PutRequest: &types.PutRequest{Item: map[string]types.AttributeValue{
		"subscription_id": text(subscription),
		"event_id":        text(fmt.Sprintf("evt_%06d_%08x", number, random.Uint32())),
		"customer_id":     text(customerOf(subscription)),
		"occurred_at":     number64(strconv.FormatInt(occurred.Unix(), 10)),
		"charge_code":     text(code),
		"description":     text(product.description),
		"amount":          number64(fmt.Sprintf("%d.%03d", random.IntN(500), random.IntN(1000))),
		"quantity":        number64(strconv.Itoa(1 + random.IntN(20))),
		"currency_code":   text(Currency),
		"unbilled":        text(subscription),
		"status":          text("unbilled"),
	}}}
}

func (w *Env) write(ctx context.Context, batch []types.WriteRequest) error {
	requests := map[string][]types.WriteRequest{w.eventsTable(): batch}
	for len(requests) > 0 {
		written, err := w.dynamodbClient.BatchWriteItem(ctx, &awsdynamodb.BatchWriteItemInput{RequestItems: requests})
		if err != nil {
			return fmt.Errorf("write events: %w", err)
		}
		requests = written.UnprocessedItems
	}
	return nil
}
