package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

const (
	day          = 24 * time.Hour
	currency     = "EUR"
	planPrice    = 4900
	writeBatch   = 25 // the most that BatchWriteItem takes
	earlyEvery   = 10 // one event in so many subscriptions belongs to the next invoice
	queueKeeping = 7 * day
	deadKeeping  = 14 * day
)

// prepare makes queues and tables, and fills in events and pending invoices.
func (w *world) prepare(ctx context.Context) error {
	if err := w.makeQueues(ctx); err != nil {
		return err
	}
	create := exec.CommandContext(ctx, filepath.Join(w.options.binaries, "consumer"), "tables", "create") //nolint:gosec // the directory is the caller's own
	create.Env = w.awsEnvironment()
	create.Stderr = os.Stderr
	if err := create.Run(); err != nil {
		return fmt.Errorf("consumer tables create (is %s built?): %w", w.options.binaries, err)
	}
	return w.seed(ctx)
}

func (w *world) makeQueues(ctx context.Context) error {
	dead, err := w.makeQueue(ctx, deadName, map[string]string{"MessageRetentionPeriod": seconds(deadKeeping)})
	if err != nil {
		return err
	}
	w.deadURL = dead
	found, err := w.sqsClient.GetQueueAttributes(ctx, &awssqs.GetQueueAttributesInput{
		QueueUrl:       &dead,
		AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return fmt.Errorf("ask for the ARN of %s: %w", deadName, err)
	}
	w.queueURL, err = w.makeQueue(ctx, queueName, map[string]string{
		"MessageRetentionPeriod": seconds(queueKeeping),
		"RedrivePolicy":          fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":1000}`, found.Attributes["QueueArn"]),
	})
	return err
}

func (w *world) makeQueue(ctx context.Context, name string, attributes map[string]string) (string, error) {
	created, err := w.sqsClient.CreateQueue(ctx, &awssqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		return "", fmt.Errorf("create queue %s: %w", name, err)
	}
	return *created.QueueUrl, nil
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }

// products are what the events sell. Amounts are in cents, some in fractions of
// them: they are summed exactly and rounded once per line.
var products = []struct{ code, description string }{
	{"api_calls", "API calls"},
	{"storage", "Storage, gigabyte days"},
	{"messages", "Messages sent"},
	{"seats", "Additional seats"},
	{"exports", "Exports"},
}

// seed writes events for every subscription and renews it.
func (w *world) seed(ctx context.Context) error {
	random := rand.New(rand.NewPCG(w.options.seed, 0)) //nolint:gosec // the same seed gives the same events
	now := time.Now()
	var batch []types.WriteRequest
	for i := range w.options.invoices {
		subscription := fmt.Sprintf("sub_%05d", i+1)
		w.chargebee.AddSubscription(chargebee.Subscription{
			ID:           subscription,
			CustomerID:   fmt.Sprintf("cust_%05d", i+1),
			CurrencyCode: currency,
			Plan:         chargebee.Plan{ItemPriceID: "team-EUR-monthly", Description: "Team plan", UnitAmount: planPrice},
		})
		for j := range w.options.events {
			batch = append(batch, event(random, subscription, j, w.options.codes, now.Add(-time.Duration(random.Int64N(int64(30*day)))-time.Second)))
		}
		if i%earlyEvery == 0 {
			batch = append(batch, event(random, subscription, w.options.events, w.options.codes, now.Add(day)))
		}
		for len(batch) >= writeBatch {
			if err := w.write(ctx, batch[:writeBatch]); err != nil {
				return err
			}
			batch = batch[writeBatch:]
		}
		if _, _, err := w.chargebee.Renew(chargebee.Renewal{SubscriptionIDs: []string{subscription}, Date: now}); err != nil {
			return fmt.Errorf("renew %s: %w", subscription, err)
		}
	}
	if len(batch) == 0 {
		return nil
	}
	return w.write(ctx, batch)
}

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
		"customer_id":     text("cust" + subscription[3:]),
		"occurred_at":     number64(strconv.FormatInt(occurred.Unix(), 10)),
		"charge_code":     text(code),
		"description":     text(product.description),
		"amount":          number64(fmt.Sprintf("%d.%03d", random.IntN(500), random.IntN(1000))),
		"quantity":        number64(strconv.Itoa(1 + random.IntN(20))),
		"currency_code":   text(currency),
		"unbilled":        text(subscription),
		"status":          text("unbilled"),
	}}}
}

func (w *world) write(ctx context.Context, batch []types.WriteRequest) error {
	requests := map[string][]types.WriteRequest{eventsTable: batch}
	for len(requests) > 0 {
		written, err := w.dynamodbClient.BatchWriteItem(ctx, &awsdynamodb.BatchWriteItemInput{RequestItems: requests})
		if err != nil {
			return fmt.Errorf("write events: %w", err)
		}
		requests = written.UnprocessedItems
	}
	return nil
}

// scan reads a whole table.
func (w *world) scan(ctx context.Context, table string, visit func(map[string]types.AttributeValue)) error {
	pages := awsdynamodb.NewScanPaginator(w.dynamodbClient, &awsdynamodb.ScanInput{TableName: aws.String(table)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("read table %s: %w", table, err)
		}
		for _, item := range page.Items {
			visit(item)
		}
	}
	return nil
}
