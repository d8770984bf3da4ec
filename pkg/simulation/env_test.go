package simulation_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/billable-events/billable/pkg/dynamostore"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

const (
	queueName      = "webhooks"
	deadLetterName = "webhooks-dead"
	queueURL       = "http://aws.local/000000000000/" + queueName
	deadLetterURL  = "http://aws.local/000000000000/" + deadLetterName

	apiKey             = "key"
	username, password = "chargebee", "secret"
)

// env is the environment of one scenario: the services and all processes.
type env struct {
	rng       rng
	scenario  scenario
	timeline  *timeline
	began     time.Time // start of the chaos
	took      time.Duration
	faultsOff atomic.Bool // before and after the chaos

	tables *dynamodb.Service
	queues *sqs.Service
	site   *chargebee.Service

	settings chargebee.Config // of the site
	ingress  *ingress

	actors     sync.WaitGroup // end by themselves
	pods       sync.WaitGroup // run until they are stopped
	recorder   *recorder
	violations violations
}

// newEnv draws the scenario of a seed and creates the services, with their tables and queues.
func newEnv(ctx context.Context, seed uint64) (*env, error) {
	s, err := newScenario(seed)
	if err != nil {
		return nil, fmt.Errorf("scenario of seed %d: %w", seed, err)
	}
	e := &env{rng: rng(seed), scenario: s, timeline: &timeline{began: time.Now()}}
	e.faultsOff.Store(true)
	e.recorder = newRecorder(e)
	lag := e.rng.rand("index lag")
	e.tables = dynamodb.New(dynamodb.Config{
		Faults:   e.faults(tables, s.faults.tables),
		IndexLag: func(string) time.Duration { return between(lag, 0, s.indexLag) },
	})
	e.queues = sqs.New(sqs.Config{
		BaseURL: "http://aws.local",
		Faults:  e.faults(queues, s.faults.queues),
		Seed:    seed,
	})
	e.settings = e.siteConfig(seed)
	e.site = chargebee.New(e.settings)
	if err := e.createItemPrices(); err != nil {
		return nil, err
	}
	e.ingress = &ingress{caller: e.process("chargebee")}
	return e, e.createResources(ctx)
}

// createResources creates the tables and queues.
func (e *env) createResources(ctx context.Context) error {
	config := e.aws(e.process("setup"))
	tables := &dynamostore.Tables{
		Client:      awsdynamodb.NewFromConfig(config),
		EventsTable: e.scenario.consumer.Events.Table,
		LedgerTable: e.scenario.consumer.Ledger.Table,
	}
	if _, err := tables.Create(ctx); err != nil {
		return err
	}
	client := awssqs.NewFromConfig(config)
	for _, queue := range []struct {
		name       string
		attributes map[string]string
	}{
		{deadLetterName, map[string]string{"MessageRetentionPeriod": "1209600"}},
		{queueName, map[string]string{
			"MessageRetentionPeriod": "604800",
			"RedrivePolicy":          `{"deadLetterTargetArn":"` + queueARN(deadLetterName) + `","maxReceiveCount":1000}`,
		}},
	} {
		if _, err := client.CreateQueue(ctx, &awssqs.CreateQueueInput{QueueName: aws.String(queue.name), Attributes: queue.attributes}); err != nil {
			return err
		}
	}
	return nil
}

func queueARN(name string) string { return "arn:aws:sqs:eu-central-1:000000000000:" + name }

// faults returns the faults of a service, which end with the chaos.
func (e *env) faults(service string, rates sandbox.Rates) sandbox.Faults {
	drawn := sandbox.Seeded(e.rng.rand("faults", service).Uint64(), rates)
	webhooks := sandbox.Seeded(e.rng.rand("faults", "webhooks").Uint64(), e.scenario.faults.webhooks)
	var turn atomic.Uint64
	return sandbox.FaultFunc(func(operation string) sandbox.Fault {
		if e.faultsOff.Load() {
			return sandbox.Fault{}
		}
		if operation == "webhook" {
			return webhooks.Next(operation)
		}
		fault := drawn.Next(operation)
		outage, ok := e.scenario.faults.outages[service]
		if since := time.Since(e.began); !ok || since < outage.from || since >= outage.to {
			return fault
		}
		if outage.readable && (operation == "retrieve" || operation == "list") {
			return fault
		}
		random := e.rng.rand("outage", service, fmt.Sprint(turn.Add(1)))
		fault.Kind = outage.kinds[random.IntN(len(outage.kinds))]
		fault.Late, fault.Choice = between(random, 0, rates.MaxLate), random.Uint64()
		return fault
	})
}

// aws returns the settings by which a process reaches AWS.
func (e *env) aws(from *process) aws.Config {
	return aws.Config{
		Region:       "eu-central-1",
		Credentials:  credentials.NewStaticCredentialsProvider("key", "secret", ""),
		BaseEndpoint: aws.String("http://aws.local"),
		HTTPClient: &http.Client{Transport: byTarget{
			queues: link{from, queues, singleReceive{e.queues}},
			tables: link{from, tables, e.tables},
		}},
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(options *retry.StandardOptions) { options.Backoff = backoff{from} })
		},
	}
}

// backoff waits as the SDK does by default, up to a second, doubled with every attempt, but the
// jitter is drawn from the seed.
type backoff struct{ process *process }

// BackoffDelay implements retry.BackoffDelayer.
func (b backoff) BackoffDelay(attempt int, _ error) (time.Duration, error) {
	random := b.process.env.rng.rand("backoff", b.process.name, time.Now().String())
	return between(random, 0, min(time.Second<<attempt, retry.DefaultMaxBackoff)), nil
}

// byTarget sends a call of an AWS SDK to its service.
type byTarget struct{ queues, tables link }

// RoundTrip implements http.RoundTripper.
func (b byTarget) RoundTrip(request *http.Request) (*http.Response, error) {
	if strings.HasPrefix(request.Header.Get("X-Amz-Target"), "AmazonSQS.") {
		return b.queues.RoundTrip(request)
	}
	return b.tables.RoundTrip(request)
}

// singleReceive makes a receive from the queue return at most one message, as SQS may. Two copies
// of a message would be handled at the same nanosecond, by goroutines whose calls have the same
// description: their order would be random.
type singleReceive struct{ queues http.Handler }

// ServeHTTP implements http.Handler.
func (o singleReceive) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".ReceiveMessage") {
		var input map[string]any
		if json.NewDecoder(r.Body).Decode(&input) == nil && input["QueueUrl"] == queueURL {
			input["MaxNumberOfMessages"] = 1
		}
		body, err := json.Marshal(input)
		if err != nil {
			panic(err) // it was decoded from JSON
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	o.queues.ServeHTTP(w, r)
}

// startActor starts a process that ends by itself.
func (e *env) startActor(name string, act func(as *process)) {
	e.actors.Go(func() { act(e.process(name)) })
}
