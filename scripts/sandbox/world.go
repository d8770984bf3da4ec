package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
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
	region      = "eu-central-1"
	accessKey   = "sandbox"
	secretKey   = "sandbox-secret"
	apiKey      = "test_sandbox_key"
	username    = "chargebee"
	password    = "sandbox:password"
	queueName   = "billable-webhooks"
	deadName    = "billable-webhooks-dead"
	eventsTable = "billable_events"
	ledgerTable = "billable_invoices"
)

// world is everything outside of the two binaries.
type world struct {
	options options

	sqs       *sqs.Service
	chargebee *chargebee.Service
	failing   *atomic.Bool

	sqsURL, dynamodbURL, chargebeeURL string
	queueURL, deadURL                 string

	sqsClient      *awssqs.Client
	dynamodbClient *awsdynamodb.Client
	servers        []*http.Server
}

// newWorld starts the stand-ins on loopback.
func newWorld(o options) (*world, error) {
	w := &world{options: o, failing: new(atomic.Bool)}
	rates := faultRates[o.faults]
	faults := func(seed uint64, rates sandbox.Rates) sandbox.Faults {
		return switched{sandbox.Seeded(seed, rates), w.failing}
	}
	sqsListener, err := w.listen(&w.sqsURL)
	if err != nil {
		return nil, err
	}
	dynamodbListener, err := w.listen(&w.dynamodbURL)
	if err != nil {
		return nil, err
	}
	chargebeeListener, err := w.listen(&w.chargebeeURL)
	if err != nil {
		return nil, err
	}
	w.sqs = sqs.New(sqs.Config{BaseURL: w.sqsURL, Region: region, Seed: o.seed, Faults: faults(o.seed+1, rates.sqs)})
	tables := dynamodb.New(dynamodb.Config{Faults: faults(o.seed+2, rates.dynamodb)})
	site := chargebee.Config{
		APIKey:            apiKey,
		Seed:              o.seed,
		Faults:            faults(o.seed+3, rates.chargebee),
		RequestsPerMinute: o.rate,
		MaxConcurrent:     150,
		MaxConcurrentGET:  50,
		MaxConcurrentPOST: 100,
		Latency:           20 * time.Millisecond,
		KeepDate:          true,
		LostReplies: []*chargebee.Error{
			chargebee.ErrCut, chargebee.ErrInternal, chargebee.Page(http.StatusBadGateway), chargebee.Page(http.StatusGatewayTimeout),
		},
	}
	if o.hurried() {
		site.IdempotencyWindow = window
	}
	w.chargebee = chargebee.New(site)
	w.serve(sqsListener, w.sqs)
	w.serve(dynamodbListener, tables)
	w.serve(chargebeeListener, w.chargebee)

	config := aws.Config{Region: region, Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, "")}
	w.sqsClient = awssqs.NewFromConfig(config, func(options *awssqs.Options) { options.BaseEndpoint = &w.sqsURL })
	w.dynamodbClient = awsdynamodb.NewFromConfig(config, func(options *awsdynamodb.Options) { options.BaseEndpoint = &w.dynamodbURL })
	return w, nil
}

// hurried tells whether the run uses short times: with faults or kills there are
// doubts to resolve, which takes minutes otherwise.
func (o options) hurried() bool { return o.faults != "none" || o.kill }

func (w *world) listen(url *string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen on loopback: %w", err)
	}
	*url = "http://" + listener.Addr().String()
	return listener, nil
}

func (w *world) serve(listener net.Listener, handler http.Handler) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	w.servers = append(w.servers, server)
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			panic(err)
		}
	}()
}

func (w *world) close() {
	for _, server := range w.servers {
		_ = server.Close()
	}
}

// awsEnvironment is how the AWS SDK finds the stand-ins.
func (w *world) awsEnvironment() []string {
	return []string{
		"AWS_REGION=" + region,
		"AWS_ACCESS_KEY_ID=" + accessKey,
		"AWS_SECRET_ACCESS_KEY=" + secretKey,
		"AWS_ENDPOINT_URL_SQS=" + w.sqsURL,
		"AWS_ENDPOINT_URL_DYNAMODB=" + w.dynamodbURL,
	}
}

// receiverEnvironment is the settings of the receivers.
func (w *world) receiverEnvironment() []string {
	return append(w.awsEnvironment(),
		"BILLABLE_QUEUE_URL="+w.queueURL,
		"BILLABLE_AUTH_USERNAME="+username,
		"BILLABLE_AUTH_PASSWORD="+password,
		"BILLABLE_HTTP_DRAIN_PAUSE=1s",
		"BILLABLE_LOG_LEVEL=warn",
	)
}

// consumerEnvironment is the settings of the consumers. Each gets its part of the
// site's budget.
func (w *world) consumerEnvironment() []string {
	environment := append(w.awsEnvironment(),
		"BILLABLE_QUEUE_URL="+w.queueURL,
		"BILLABLE_QUEUE_DEAD_LETTER_URL="+w.deadURL,
		"BILLABLE_CHARGEBEE_BASE_URL="+w.chargebeeURL,
		"BILLABLE_CHARGEBEE_API_KEY="+apiKey,
		"BILLABLE_LOG_LEVEL=error",
		fmt.Sprintf("BILLABLE_CHARGEBEE_REQUESTS_PER_MINUTE=%d", max(w.options.rate/w.options.consumers, 1)),
		fmt.Sprintf("BILLABLE_CHARGEBEE_MAX_CONCURRENT=%d", max(50/w.options.consumers, 1)),
	)
	if w.options.hurried() {
		environment = append(environment,
			"BILLABLE_CHARGEBEE_CALL_TIMEOUT="+callTimeout.String(),
			"BILLABLE_CHARGEBEE_LATE_BOUND="+lateBound.String(),
			"BILLABLE_CHARGEBEE_IDEMPOTENCY_WINDOW="+window.String(),
			"BILLABLE_CLOCK_MAX_SKEW="+maxSkew.String(),
			"BILLABLE_LEDGER_LEASE="+lease.String(),
			"BILLABLE_WORKER_VISIBILITY_TIMEOUT="+visibility.String(),
			"BILLABLE_WORKER_MAX_ATTEMPTS=50",
		)
	}
	return environment
}
