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
		items = append(items, newEvents(random, number, workload.Events, workload.Codes, now)...)
		if workload.EarlyEvery > 0 && i%workload.EarlyEvery == 0 {
			items = append(items, newEvent(random, number, workload.Events, workload.Codes, now.Add(25*time.Hour)))
		}
		announcement, err := e.renew(number, chargebee.Renewal{Date: now})
		if err != nil {
			return nil, err
		}
		announcements = append(announcements, announcement)
	}
	return announcements, e.writeEvents(ctx, items)
}

// Invoice is a pending invoice with ids that are easy to type: invoice draft_inv_<Name> and Chargebee
// event ev_<Name>, of subscription sub_<Name> and customer cust_<Name>.
type Invoice struct {
	Name    string
	Events  int    // billable events, of three charge codes
	Invalid string // invalid attribute of one more event, evt_invalid: charge_code (missing) or currency_code (another currency); empty: no such event
}

// AddInvoice renews a subscription and writes its events. Their amounts are always the same.
func (e *Env) AddInvoice(ctx context.Context, invoice Invoice) error {
	now, random := time.Now(), rand.New(rand.NewPCG(1, 0)) //nolint:gosec // reproducible amounts
	_, err := e.renew(invoice.Name, chargebee.Renewal{Date: now, InvoiceID: "draft_inv_" + invoice.Name, EventID: "ev_" + invoice.Name})
	if err != nil {
		return err
	}
	items := newEvents(random, invoice.Name, invoice.Events, 3, now)
	if invoice.Invalid != "" {
		invalid := newEvent(random, invoice.Name, invoice.Events, 1, now.Add(-time.Hour))
		attributes := invalid.PutRequest.Item
		attributes["event_id"] = &types.AttributeValueMemberS{Value: "evt_invalid"}
		switch invoice.Invalid {
		case "charge_code":
			delete(attributes, "charge_code")
		case "currency_code":
			attributes["currency_code"] = &types.AttributeValueMemberS{Value: "USD"}
		default:
			return fmt.Errorf("an event can be invalid by charge_code or currency_code, not by %q", invoice.Invalid)
		}
		items = append(items, invalid)
	}
	return e.writeEvents(ctx, items)
}

// renew renews the subscription sub_<name>, and returns the id of the Chargebee event that announces
// its invoice.
func (e *Env) renew(name string, renewal chargebee.Renewal) (announcement string, err error) {
	subscription := chargebee.Subscription{
		ID:           "sub_" + name,
		CustomerID:   "cust_" + name,
		CurrencyCode: Currency,
		Plan:         chargebee.Plan{ItemPriceID: "team-EUR-monthly", Description: "Team plan", UnitAmount: 4900},
	}
	e.Chargebee.AddSubscription(subscription)
	renewal.SubscriptionIDs = []string{subscription.ID}
	_, event, err := e.Chargebee.Renew(renewal)
	if err != nil {
		return "", fmt.Errorf("renew %s: %w", subscription.ID, err)
	}
	return event.ID, nil
}

func (e *Env) writeEvents(ctx context.Context, items []types.WriteRequest) error {
	for batch := range slices.Chunk(items, maxWriteBatch) {
		for requests := map[string][]types.WriteRequest{e.eventsTable(): batch}; len(requests) > 0; {
			written, err := e.dynamodbClient.BatchWriteItem(ctx, &awsdynamodb.BatchWriteItemInput{RequestItems: requests})
			if err != nil {
				return fmt.Errorf("write events: %w", err)
			}
			requests = written.UnprocessedItems
		}
	}
	return nil
}

// newEvents returns billable events of a subscription in the 30 days before now.
func newEvents(random *rand.Rand, subscription string, count, codes int, now time.Time) []types.WriteRequest {
	events := make([]types.WriteRequest, count)
	for i := range events {
		events[i] = newEvent(random, subscription, i, codes, now.Add(-time.Duration(random.Int64N(int64(30*day)))-time.Second))
	}
	return events
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
