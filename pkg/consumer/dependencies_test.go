package consumer

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/dynamostore"
	"github.com/billable-events/billable/pkg/installation"
	"github.com/billable-events/billable/pkg/lifecycle"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// checked is a consumer on fakes whose dependencies are checked, and whose workers do not run.
type checked struct {
	*Consumer

	tables *awsdynamodb.Client
	calls  atomic.Int32 // to Chargebee
	log    bytes.Buffer
	failed chan error
}

// startChecks starts the checks of a consumer in the bubble of a test.
func startChecks(t *testing.T, apiKey string, site chargebee.Config) *checked {
	t.Helper()
	queues, tables := sqs.New(sqs.Config{}), dynamodb.New(dynamodb.Config{})
	cfg := aws.Config{
		Region:       "eu-central-1",
		Credentials:  credentials.NewStaticCredentialsProvider("key", "secret", ""),
		BaseEndpoint: aws.String("http://sandbox.local"),
		HTTPClient: &http.Client{Transport: roundTripper(func(request *http.Request) (*http.Response, error) {
			if strings.HasPrefix(request.Header.Get("X-Amz-Target"), "AmazonSQS") {
				return sandbox.Transport{Handler: queues}.RoundTrip(request)
			}
			return sandbox.Transport{Handler: tables}.RoundTrip(request)
		})},
	}
	settings := config.DefaultConsumer()
	settings.Chargebee.Site, settings.Chargebee.APIKey = "acme-test", config.Secret(apiKey)
	c := &checked{tables: awsdynamodb.NewFromConfig(cfg), failed: make(chan error, 1)}
	queue, err := awssqs.NewFromConfig(cfg).CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: aws.String("queue")})
	if err != nil {
		t.Fatal(err)
	}
	settings.Queue.URL = *queue.QueueUrl
	create := &dynamostore.Tables{Client: c.tables, EventsTable: settings.Events.Table, LedgerTable: settings.Ledger.Table}
	if _, err := create.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	site.APIKey = "site_key"
	answers := sandbox.Transport{Handler: chargebee.New(site)}
	transport := roundTripper(func(request *http.Request) (*http.Response, error) {
		c.calls.Add(1)
		return answers.RoundTrip(request)
	})
	if c.Consumer, err = New(settings, Deps{AWS: cfg, Chargebee: transport}, zerolog.New(&c.log)); err != nil {
		t.Fatal(err)
	}
	if err := c.ready(false); !errors.Is(err, errStarting) {
		t.Errorf("before the first check: %v", err)
	}
	if err := c.dependencies.start(t.Context(), c.failed); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lifecycle.Background(t.Context(), c.limiter.Run))
	t.Cleanup(func() {
		if err := c.dependencies.stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return c
}

// Without messages the consumer finds out by itself that its API key works again. It calls once a minute until then,
// and never after that.
func TestConsumer_APIKeyAcceptedLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := startChecks(t, "wrong_key", chargebee.Config{})
		time.Sleep(10 * time.Minute)
		if err := c.ready(false); err == nil || !strings.Contains(err.Error(), "Chargebee refuses the credentials") {
			t.Errorf("got %v", err)
		}
		if got := c.calls.Load(); got < 8 || got > 11 {
			t.Errorf("%d calls in 10 minutes", got)
		}
		c.chargebee.SetAPIKey("site_key")
		time.Sleep(time.Minute + recheckInterval)
		if err := c.ready(false); err != nil {
			t.Error(err)
		}
		before := c.calls.Load()
		time.Sleep(time.Hour)
		if got := c.calls.Load(); got != before {
			t.Errorf("%d calls although the key was accepted", got-before)
		}
		text := c.log.String()
		if strings.Count(text, "dependency failed") != 1 || strings.Count(text, "dependency works again") != 1 {
			t.Errorf("not one line for each change: %s", text)
		}
	})
}

// A running consumer ends if its ledger is bound to another site.
func TestConsumer_LedgerBoundToAnotherSite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := startChecks(t, "site_key", chargebee.Config{})
		_, err := c.tables.PutItem(t.Context(), &awsdynamodb.PutItemInput{TableName: &c.settings.Ledger.Table, Item: map[string]types.AttributeValue{
			"invoice_id": &types.AttributeValueMemberS{Value: "#installation"}, "site": &types.AttributeValueMemberS{Value: "acme.chargebee.com"},
			"version": &types.AttributeValueMemberN{Value: "1"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(installation.ReportInterval + checkInterval + time.Second)
		select {
		case err := <-c.failed:
			if invalid, ok := errors.AsType[*config.Error](err); !ok || invalid.Fields[0].Key != config.ChargebeeSite {
				t.Errorf("got %v", err)
			}
		default:
			t.Error("it continues")
		}
	})
}
