// Package testbed is what runs of the real binaries on this machine share: stand-ins
// for SQS, DynamoDB and Chargebee on loopback, queues, tables, events and pending
// invoices, the processes themselves, and the books at the end.
package testbed

import (
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

	APIKey    = "test_sandbox_key"
	QueueName = "billable-webhooks"
	DeadName  = "billable-webhooks-dead"

	eventsTable = "billable_events"
)

// Options is what the stand-ins are like. Addresses, region and API key are filled in.
type Options struct {
	SQS       sqs.Config
	DynamoDB  dynamodb.Config
	Chargebee chargebee.Config

	// Server changes the server of a service before it starts, for instance to
	// count its calls. Nil: it stays as it is.
	Server func(service string, server *http.Server)
}

// World is everything outside of the two binaries. Its own calls to the stand-ins
// take no network.
type World struct {
	SQS       *sqs.Service
	DynamoDB  *dynamodb.Service
	Chargebee *chargebee.Service

	SQSURL, DynamoDBURL, ChargebeeURL string
	QueueURL, DeadURL                 string // once MakeQueues was called

	sqsClient      *awssqs.Client
	dynamodbClient *awsdynamodb.Client
	servers        []*http.Server
}

// NewWorld starts the stand-ins on loopback.
func NewWorld(options Options) (*World, error) {
	w := &World{}
	listeners := make([]net.Listener, 3)
	for i, url := range []*string{&w.SQSURL, &w.DynamoDBURL, &w.ChargebeeURL} {
		listener, err := listen()
		if err != nil {
			return nil, err
		}
		listeners[i], *url = listener, "http://"+listener.Addr().String()
	}
	options.SQS.BaseURL, options.SQS.Region = w.SQSURL, region
	options.Chargebee.APIKey = APIKey
	w.SQS, w.DynamoDB, w.Chargebee = sqs.New(options.SQS), dynamodb.New(options.DynamoDB), chargebee.New(options.Chargebee)
	w.serve(options, listeners[0], "SQS", w.SQS)
	w.serve(options, listeners[1], "DynamoDB", w.DynamoDB)
	w.serve(options, listeners[2], "Chargebee", w.Chargebee)

	w.sqsClient = awssqs.NewFromConfig(inProcess(w.SQS), func(options *awssqs.Options) { options.BaseEndpoint = &w.SQSURL })
	w.dynamodbClient = awsdynamodb.NewFromConfig(inProcess(w.DynamoDB), func(options *awsdynamodb.Options) { options.BaseEndpoint = &w.DynamoDBURL })
	return w, nil
}

func inProcess(handler http.Handler) aws.Config {
	return aws.Config{
		Region:      region,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
		HTTPClient:  &http.Client{Transport: sandbox.Transport{Handler: handler}},
	}
}

func listen() (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen on loopback: %w", err)
	}
	return listener, nil
}

func (w *World) serve(options Options, listener net.Listener, name string, handler http.Handler) {
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
func (w *World) Close() {
	for _, server := range w.servers {
		_ = server.Close()
	}
}

// AWSEnvironment is how the AWS SDK finds the stand-ins.
func (w *World) AWSEnvironment() []string {
	return []string{
		"AWS_REGION=" + region,
		"AWS_ACCESS_KEY_ID=" + accessKey,
		"AWS_SECRET_ACCESS_KEY=" + secretKey,
		"AWS_ENDPOINT_URL_SQS=" + w.SQSURL,
		"AWS_ENDPOINT_URL_DYNAMODB=" + w.DynamoDBURL,
	}
}

// ConsumerEnvironment is where a consumer finds everything.
func (w *World) ConsumerEnvironment() []string {
	return append(w.AWSEnvironment(),
		"BILLABLE_QUEUE_URL="+w.QueueURL,
		"BILLABLE_QUEUE_DEAD_LETTER_URL="+w.DeadURL,
		"BILLABLE_CHARGEBEE_BASE_URL="+w.ChargebeeURL,
		"BILLABLE_CHARGEBEE_API_KEY="+APIKey,
		"BILLABLE_LOG_LEVEL=error",
	)
}
