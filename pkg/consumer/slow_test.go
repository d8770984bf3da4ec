package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/chargebeeapi"
	"github.com/billable-events/billable/pkg/dynamostore"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/ratelimit/ratelimittest"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
	"github.com/billable-events/billable/pkg/settlement"
	"github.com/billable-events/billable/pkg/sqsqueue"
	"github.com/billable-events/billable/pkg/worker"
)

// silent observes nothing but failures of the pool.
type silent struct{ t *testing.T }

func (silent) Handled(context.Context, settlement.Report)             {}
func (silent) Mismatched(string, billing.Event, billing.ChangedEvent) {}
func (s silent) Failed(what string, err error)                        { s.t.Errorf("%s: %v", what, err) }

type poolObserver struct{ silent }

func (poolObserver) Handled(queue.Message, queue.Outcome, error) {}

// A session takes 20 s, ten lines of 2 s each, with a visibility timeout of 5 s: the heartbeat extends it,
// the message is received once, and every line is added once.
func TestConsumer_SessionLongerThanVisibility(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		queues, tables := sqs.New(sqs.Config{}), dynamodb.New(dynamodb.Config{})
		site := chargebee.New(chargebee.Config{APIKey: "key", KeepDate: true, Latency: 2 * time.Second})
		config := func(handler http.Handler) aws.Config {
			return aws.Config{
				Region:      "eu-central-1",
				Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
				HTTPClient:  &http.Client{Transport: sandbox.Transport{Handler: handler}},
			}
		}
		endpoint := aws.String("http://sandbox.local")
		sqsClient := awssqs.NewFromConfig(config(queues), func(o *awssqs.Options) { o.BaseEndpoint = endpoint })
		dynamodbClient := awsdynamodb.NewFromConfig(config(tables), func(o *awsdynamodb.Options) { o.BaseEndpoint = endpoint })
		if _, err := (&dynamostore.Tables{Client: dynamodbClient, EventsTable: "events", LedgerTable: "ledger"}).Create(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			text := func(value string) types.AttributeValue { return &types.AttributeValueMemberS{Value: value} }
			number := func(value int64) types.AttributeValue {
				return &types.AttributeValueMemberN{Value: fmt.Sprint(value)}
			}
			_, err := dynamodbClient.PutItem(t.Context(), &awsdynamodb.PutItemInput{TableName: aws.String("events"), Item: map[string]types.AttributeValue{
				"subscription_id": text("sub"), "event_id": text(fmt.Sprint(i)), "unbilled": text("sub"), "currency_code": text("EUR"),
				"occurred_at": number(time.Now().Unix() - 60), "charge_code": text(fmt.Sprintf("code_%d", i)), "amount": number(100),
			}})
			if err != nil {
				t.Fatal(err)
			}
		}
		site.AddSubscription(chargebee.Subscription{ID: "sub", CustomerID: "customer", CurrencyCode: "EUR", Plan: chargebee.Plan{ItemPriceID: "team", UnitAmount: 1}})
		_, event, err := site.Renew(chargebee.Renewal{SubscriptionIDs: []string{"sub"}})
		if err != nil {
			t.Fatal(err)
		}
		created, err := sqsClient.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: aws.String("queue")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sqsClient.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: created.QueueUrl, MessageBody: aws.String(string(site.Payload(event.ID)))}); err != nil {
			t.Fatal(err)
		}

		client, err := chargebeeapi.New(chargebeeapi.Config{BaseURL: "http://chargebee.local", APIKey: "key", Transport: sandbox.Transport{Handler: site}})
		if err != nil {
			t.Fatal(err)
		}
		store := &dynamostore.Store{Client: dynamodbClient, EventsTable: "events", LedgerTable: "ledger"}
		limiter := ratelimit.New(ratelimit.Config{Store: &ratelimittest.Store{}, Now: time.Now, RequestsPerMinute: 3000})
		ctx, cancel := context.WithCancel(t.Context())
		go limiter.Run(ctx)
		const visibility = 5 * time.Second
		handled := make(chan settlement.Report, 10)
		pool := &worker.Pool{
			Queue:       sqsqueue.NewQueue(sqsClient, *created.QueueUrl, visibility),
			DeadLetters: sqsqueue.NewDeadLetters(sqsClient, *created.QueueUrl),
			Handler: &settlement.Settler{
				Ledger: store, Claims: store, Events: store, Charger: client, Invoices: client,
				RateLimiter: limiter,
				Breaker:     settlement.NewBreaker(time.Now),
				Observer:    reporter{silent{t}, handled},
				Now:         time.Now,
				Settings: settlement.Settings{
					Lease: visibility, CallTimeout: visibility / 2, MaxEffectDelay: time.Minute, IdempotencyWindow: 30 * time.Minute,
					MaxAttempts: 10, Close: true, CloseWithoutEvents: true,
				},
			},
			Observer:    poolObserver{silent{t}},
			Concurrency: 4, VisibilityTimeout: visibility, HeartbeatInterval: visibility / 3, DrainTimeout: time.Minute, SettleTimeout: time.Second,
		}
		ended := make(chan error, 1)
		go func() { ended <- pool.Run(ctx) }()
		report := <-handled
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if report.Outcome.Action != queue.Ack || report.Duration < 20*time.Second {
			t.Errorf("got %+v", report)
		}
		if len(handled) != 0 {
			t.Errorf("the message was received %d times more", len(handled))
		}
		if left := queues.Messages("queue"); len(left) != 0 {
			t.Errorf("left is %+v", left)
		}
		for _, invoice := range site.Invoices() {
			if got := len(invoice.LineItems); got != 11 {
				t.Errorf("%s has %d lines", invoice.ID, got)
			}
		}
		if got := len(site.Calls()); got != 12 {
			t.Errorf("%d calls were made", got)
		}
	})
}

// reporter hands reports on.
type reporter struct {
	silent
	reports chan settlement.Report
}

func (r reporter) Handled(_ context.Context, report settlement.Report) { r.reports <- report }
