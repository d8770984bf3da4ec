// Package testbed is what runs of the real binaries on this machine share: stand-ins
// for SQS, DynamoDB and Chargebee on loopback, or services elsewhere in place of the first
// two; queues, tables, events and pending invoices, the processes themselves, and the books
// at the end.
package testbed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// What the stand-ins accept and are called.
const (
	region    = "eu-central-1"
	accessKey = "sandbox"
	secretKey = "sandbox-secret"

	loopback = "127.0.0.1:0"

	APIKey         = "test_sandbox_key"
	QueueName      = defaultPrefix + queueSuffix
	DeadLetterName = defaultPrefix + deadSuffix

	defaultPrefix = "billable"
	queueSuffix   = "-webhooks"
	deadSuffix    = "-webhooks-dead"
)

// Options is what the stand-ins are like. Addresses, region and API key are filled in.
type Options struct {
	SQS       sqs.Config
	DynamoDB  dynamodb.Config
	Chargebee chargebee.Config

	// SQSURL and DynamoDBURL are services elsewhere, in place of stand-ins.
	SQSURL, DynamoDBURL string
	// ChargebeeAddress is where Chargebee listens. Defaults to a free port on loopback.
	ChargebeeAddress string
	// Prefix is what the names of queues and tables begin with. Defaults to billable.
	Prefix string

	// Server changes the server of a service before it starts, for instance to
	// count its calls. Nil: it stays as it is.
	Server func(service string, server *http.Server)
}

// World is everything outside of the two binaries. Its own calls to the stand-ins
// take no network.
type Env struct {
	SQS       *sqs.Service      // nil: it is elsewhere
	DynamoDB  *dynamodb.Service // nil: it is elsewhere
	Chargebee *chargebee.Service

	SQSURL, DynamoDBURL, ChargebeeURL string
	QueueURL, DeadLetterURL           string // once MakeQueues was called

	prefix         string
	sqsClient      *awssqs.Client
	dynamodbClient *awsdynamodb.Client
	servers        []*http.Server
}

// NewWorld starts the stand-ins on loopback.
func New(options Options) (*Env, error) {
	w := &Env{SQSURL: options.SQSURL, DynamoDBURL: options.DynamoDBURL, prefix: cmp.Or(options.Prefix, defaultPrefix)}
	toSQS, toDynamoDB := http.DefaultTransport, http.DefaultTransport
	if w.SQSURL == "" {
		listener, url, err := listen(loopback)
		if err != nil {
			return nil, err
		}
		options.SQS.BaseURL, options.SQS.Region = url, region
		w.SQS, w.SQSURL = sqs.New(options.SQS), url
		toSQS = sandbox.Transport{Handler: w.SQS}
		w.serve(options, listener, "SQS", w.SQS)
	}
	if w.DynamoDBURL == "" {
		listener, url, err := listen(loopback)
		if err != nil {
			return nil, err
		}
		w.DynamoDB, w.DynamoDBURL = dynamodb.New(options.DynamoDB), url
		toDynamoDB = sandbox.Transport{Handler: w.DynamoDB}
		w.serve(options, listener, "DynamoDB", w.DynamoDB)
	}
	listener, url, err := listen(cmp.Or(options.ChargebeeAddress, loopback))
	if err != nil {
		return nil, err
	}
	options.Chargebee.APIKey = APIKey
	w.Chargebee, w.ChargebeeURL = chargebee.New(options.Chargebee), url
	w.serve(options, listener, "Chargebee", w.Chargebee)

	w.sqsClient = awssqs.NewFromConfig(awsConfig(toSQS), func(options *awssqs.Options) { options.BaseEndpoint = &w.SQSURL })
	w.dynamodbClient = awsdynamodb.NewFromConfig(awsConfig(toDynamoDB), func(options *awsdynamodb.Options) { options.BaseEndpoint = &w.DynamoDBURL })
	return w, nil
}

func awsConfig(transport http.RoundTripper) aws.Config {
	return aws.Config{
		Region:      region,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
		HTTPClient:  &http.Client{Transport: transport},
	}
}

func listen(address string) (listener net.Listener, url string, err error) {
	listener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, "", fmt.Errorf("listen on %s: %w", address, err)
	}
	return listener, "http://" + listener.Addr().String(), nil
}

func (w *Env) serve(options Options, listener net.Listener, name string, handler http.Handler) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	if options.Server != nil {
		options.Server(name, server)
	}
	w.servers = append(w.servers, server)
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			panic(err)
		}
	}()
}

// Close ends the stand-ins.
func (w *Env) Close() {
	for _, server := range w.servers {
		_ = server.Close()
	}
}

func (w *Env) eventsTable() string { return w.prefix + "_events" }

func (w *Env) tablesEnviron() []string {
	return []string{"BILLABLE_EVENTS_TABLE=" + w.eventsTable(), "BILLABLE_LEDGER_TABLE=" + w.prefix + "_invoices"}
}

// AWSEnvironment is how the AWS SDK finds SQS and DynamoDB.
func (w *Env) AWSEnviron() []string {
	return []string{
		"AWS_REGION=" + region,
		"AWS_ACCESS_KEY_ID=" + accessKey,
		"AWS_SECRET_ACCESS_KEY=" + secretKey,
		"AWS_ENDPOINT_URL_SQS=" + w.SQSURL,
		"AWS_ENDPOINT_URL_DYNAMODB=" + w.DynamoDBURL,
	}
}

// ConsumerEnvironment is where a consumer finds everything.
func (w *Env) ConsumerEnviron() []string {
	return append(append(w.AWSEnviron(), w.tablesEnviron()...),
		"BILLABLE_QUEUE_URL="+w.QueueURL,
		"BILLABLE_QUEUE_DEAD_LETTER_URL="+w.DeadLetterURL,
		"BILLABLE_CHARGEBEE_BASE_URL="+w.ChargebeeURL,
		"BILLABLE_CHARGEBEE_API_KEY="+APIKey,
		"BILLABLE_LOG_LEVEL=error",
	)
}
