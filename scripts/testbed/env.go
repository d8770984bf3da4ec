// Package testbed is the environment of runs of the real binaries on this machine: fakes of SQS,
// DynamoDB and Chargebee on loopback, or other services instead of the first two; queues, tables,
// billable events and pending invoices; the processes; and the reconciliation at the end.
package testbed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
	"github.com/billable-events/billable/pkg/sandbox/reconciliation"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// Names and credentials of the fakes.
const (
	region    = "eu-central-1"
	accessKey = "sandbox"
	secretKey = "sandbox-secret"
	loopback  = "127.0.0.1:0"

	APIKey         = "test_sandbox_key"
	QueueName      = defaultPrefix + queueSuffix
	DeadLetterName = defaultPrefix + deadLetterSuffix

	defaultPrefix    = "billable"
	queueSuffix      = "-webhooks"
	deadLetterSuffix = "-webhooks-dead"
)

// Options are the settings of an Env. Addresses and API key of the fakes are filled in.
type Options struct {
	SQS       sqs.Config
	DynamoDB  dynamodb.Config
	Chargebee chargebee.Config

	// SQSURL and DynamoDBURL are other services instead of the fakes.
	SQSURL, DynamoDBURL string
	// ChargebeeAddress defaults to a free port on loopback.
	ChargebeeAddress string
	// Prefix of the names of queues and tables defaults to billable.
	Prefix string

	// Server, if set, changes the server of a service before it starts, for example to count calls.
	Server func(service string, server *http.Server)
}

// Env is the services around the two binaries. Its own calls to the fakes use no network.
type Env struct {
	SQS       *sqs.Service      // nil with another service
	DynamoDB  *dynamodb.Service // nil with another service
	Chargebee *chargebee.Service

	SQSURL, DynamoDBURL, ChargebeeURL string
	QueueURL, DeadLetterURL           string // after CreateQueues

	prefix         string
	sqsClient      *awssqs.Client
	dynamodbClient *awsdynamodb.Client
	servers        []*http.Server
}

// New starts the fakes.
func New(o Options) (*Env, error) {
	e := &Env{SQSURL: o.SQSURL, DynamoDBURL: o.DynamoDBURL, prefix: cmp.Or(o.Prefix, defaultPrefix)}
	sqsTransport, dynamodbTransport := http.DefaultTransport, http.DefaultTransport
	if e.SQSURL == "" {
		listener, err := listen(loopback, &e.SQSURL)
		if err != nil {
			return nil, err
		}
		o.SQS.BaseURL = e.SQSURL
		e.SQS = sqs.New(o.SQS)
		sqsTransport = sandbox.Transport{Handler: e.SQS}
		e.serve(o, listener, "SQS", e.SQS)
	}
	if e.DynamoDBURL == "" {
		listener, err := listen(loopback, &e.DynamoDBURL)
		if err != nil {
			return nil, err
		}
		e.DynamoDB = dynamodb.New(o.DynamoDB)
		dynamodbTransport = sandbox.Transport{Handler: e.DynamoDB}
		e.serve(o, listener, "DynamoDB", e.DynamoDB)
	}
	listener, err := listen(cmp.Or(o.ChargebeeAddress, loopback), &e.ChargebeeURL)
	if err != nil {
		return nil, err
	}
	o.Chargebee.APIKey = APIKey
	e.Chargebee = chargebee.New(o.Chargebee)
	e.serve(o, listener, "Chargebee", e.Chargebee)

	e.sqsClient = awssqs.NewFromConfig(awsConfig(sqsTransport, e.SQSURL))
	e.dynamodbClient = awsdynamodb.NewFromConfig(awsConfig(dynamodbTransport, e.DynamoDBURL))
	return e, nil
}

func awsConfig(transport http.RoundTripper, url string) aws.Config {
	return aws.Config{
		Region:       region,
		BaseEndpoint: &url,
		Credentials:  credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
		HTTPClient:   &http.Client{Transport: transport},
	}
}

func listen(address string, url *string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	*url = "http://" + listener.Addr().String()
	return listener, nil
}

func (e *Env) serve(o Options, listener net.Listener, service string, handler http.Handler) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	if o.Server != nil {
		o.Server(service, server)
	}
	e.servers = append(e.servers, server)
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			panic(err)
		}
	}()
}

// Close stops the fakes.
func (e *Env) Close() {
	for _, server := range e.servers {
		_ = server.Close()
	}
}

func (e *Env) eventsTable() string { return e.prefix + "_events" }

func (e *Env) tablesEnviron() []string {
	return []string{"BILLABLE_EVENTS_TABLE=" + e.eventsTable(), "BILLABLE_LEDGER_TABLE=" + e.prefix + "_invoices"}
}

// AWSEnviron returns the variables by which the AWS SDK finds SQS and DynamoDB.
func (e *Env) AWSEnviron() []string {
	return []string{
		"AWS_REGION=" + region,
		"AWS_ACCESS_KEY_ID=" + accessKey,
		"AWS_SECRET_ACCESS_KEY=" + secretKey,
		"AWS_ENDPOINT_URL_SQS=" + e.SQSURL,
		"AWS_ENDPOINT_URL_DYNAMODB=" + e.DynamoDBURL,
	}
}

// ConsumerEnviron returns the settings of a consumer.
func (e *Env) ConsumerEnviron() []string {
	return append(append(e.AWSEnviron(), e.tablesEnviron()...),
		"BILLABLE_QUEUE_URL="+e.QueueURL,
		"BILLABLE_QUEUE_DEAD_LETTER_URL="+e.DeadLetterURL,
		"BILLABLE_CHARGEBEE_BASE_URL="+e.ChargebeeURL,
		"BILLABLE_CHARGEBEE_API_KEY="+APIKey,
		"BILLABLE_LOG_LEVEL=error",
	)
}

// CreateQueues creates the queue and its dead-letter queue, unless they exist.
func (e *Env) CreateQueues(ctx context.Context) (err error) {
	e.DeadLetterURL, err = e.createQueue(ctx, e.prefix+deadLetterSuffix, map[string]string{"MessageRetentionPeriod": strconv.Itoa(14 * 24 * 60 * 60)})
	if err != nil {
		return err
	}
	attributes, err := e.queueAttributes(ctx, e.DeadLetterURL, sqstypes.QueueAttributeNameQueueArn)
	if err != nil {
		return err
	}
	e.QueueURL, err = e.createQueue(ctx, e.prefix+queueSuffix, map[string]string{
		"MessageRetentionPeriod": strconv.Itoa(7 * 24 * 60 * 60),
		"RedrivePolicy":          fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":1000}`, attributes["QueueArn"]),
	})
	return err
}

func (e *Env) createQueue(ctx context.Context, name string, attributes map[string]string) (string, error) {
	found, err := e.sqsClient.GetQueueUrl(ctx, &awssqs.GetQueueUrlInput{QueueName: &name})
	if err == nil {
		return *found.QueueUrl, nil
	}
	if _, missing := errors.AsType[*sqstypes.QueueDoesNotExist](err); !missing {
		return "", fmt.Errorf("get the URL of queue %s: %w", name, err)
	}
	created, err := e.sqsClient.CreateQueue(ctx, &awssqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		return "", fmt.Errorf("create queue %s: %w", name, err)
	}
	return *created.QueueUrl, nil
}

func (e *Env) queueAttributes(ctx context.Context, url string, names ...sqstypes.QueueAttributeName) (map[string]string, error) {
	found, err := e.sqsClient.GetQueueAttributes(ctx, &awssqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: names})
	if err != nil {
		return nil, fmt.Errorf("get the attributes of %s: %w", url, err)
	}
	return found.Attributes, nil
}

// CreateTables creates the tables with the consumer's own command, unless they exist.
func (e *Env) CreateTables(ctx context.Context, consumer string) error {
	cmd := exec.CommandContext(ctx, consumer, "tables", "create")
	cmd.Env = append(e.AWSEnviron(), e.tablesEnviron()...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s tables create (is it built?): %w", consumer, err)
	}
	return nil
}

// Enqueue sends the body of a webhook to the queue, without the attributes and the message group that
// the receiver sets.
func (e *Env) Enqueue(ctx context.Context, body string) error {
	if _, err := e.sqsClient.SendMessage(ctx, &awssqs.SendMessageInput{QueueUrl: &e.QueueURL, MessageBody: &body}); err != nil {
		return fmt.Errorf("enqueue a webhook: %w", err)
	}
	return nil
}

// Queued counts the messages in the queue and in the dead-letter queue, in flight or not.
func (e *Env) Queued(ctx context.Context) (queued, dead int, err error) {
	if queued, err = e.countMessages(ctx, e.QueueURL); err != nil {
		return 0, 0, err
	}
	dead, err = e.countMessages(ctx, e.DeadLetterURL)
	return queued, dead, err
}

func (e *Env) countMessages(ctx context.Context, url string) (count int, err error) {
	attributes, err := e.queueAttributes(ctx, url,
		sqstypes.QueueAttributeNameApproximateNumberOfMessages,
		sqstypes.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		sqstypes.QueueAttributeNameApproximateNumberOfMessagesDelayed)
	if err != nil {
		return 0, err
	}
	for name, value := range attributes {
		number, err := strconv.Atoi(value)
		if err != nil {
			return 0, fmt.Errorf("count messages of %s: %s: %w", url, name, err)
		}
		count += number
	}
	return count, nil
}

// Reconcile compares the events with the invoices. All charge codes are expected on ad-hoc lines.
func (e *Env) Reconcile(ctx context.Context) (reconciliation.Result, error) {
	var events []reconciliation.Event
	pages := awsdynamodb.NewScanPaginator(e.dynamodbClient, &awsdynamodb.ScanInput{TableName: aws.String(e.eventsTable()), ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return reconciliation.Result{}, fmt.Errorf("read the events: %w", err)
		}
		for _, item := range page.Items {
			events = append(events, reconciliation.NewEvent(func(name string) string {
				switch value := item[name].(type) {
				case *dynamodbtypes.AttributeValueMemberS:
					return value.Value
				case *dynamodbtypes.AttributeValueMemberN:
					return value.Value
				}
				return ""
			}))
		}
	}
	var invoices []reconciliation.Invoice
	for _, invoice := range e.Chargebee.Invoices() {
		invoices = append(invoices, reconciliation.NewInvoice(invoice))
	}
	var noItemPrices map[string]string
	return reconciliation.Compare(events, invoices, noItemPrices), nil
}
