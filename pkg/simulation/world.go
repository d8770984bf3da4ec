package simulation

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

// world is the services and everybody who calls them.
type world struct {
	dice     dice
	plan     plan
	timeline *Timeline
	began    time.Time // the chaos
	calm     atomic.Bool

	tables *dynamodb.Service
	queues *sqs.Service
	site   *chargebee.Service
	// settings are those of the site.
	settings chargebee.Config
	door     *door

	actors sync.WaitGroup // who ends by themselves
	pods   sync.WaitGroup // who are stopped
	books  *books
	faults faultLog
	sent   sendings
}

// newWorld makes the services, with their tables and queues.
func newWorld(ctx context.Context, seed uint64, p plan) (*world, error) {
	w := &world{dice: dice(seed), plan: p, timeline: &Timeline{began: time.Now()}}
	w.calm.Store(true)
	w.books = newBooks(w)
	lag := w.dice.of("index lag")
	w.tables = dynamodb.New(dynamodb.Config{
		Faults:   w.trouble(tables, p.trouble.tables),
		IndexLag: func(string) time.Duration { return between(lag, 0, p.indexLag) },
	})
	w.queues = sqs.New(sqs.Config{
		BaseURL: "http://aws.local",
		Faults:  w.trouble(queues, p.trouble.queues),
		Seed:    seed,
	})
	w.settings = w.siteConfig(seed)
	w.site = chargebee.New(w.settings)
	if err := w.sell(); err != nil {
		return nil, err
	}
	w.door = &door{caller: w.process("chargebee")}
	return w, w.create(ctx)
}

// create makes tables and queues.
func (w *world) create(ctx context.Context) error {
	config := w.aws(w.process("setup"))
	tables := &dynamostore.Tables{
		Client:      awsdynamodb.NewFromConfig(config),
		EventsTable: w.plan.consumer.Events.Table,
		LedgerTable: w.plan.consumer.Ledger.Table,
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

// trouble is what goes wrong in a service, as long as the chaos lasts.
func (w *world) trouble(service string, rates sandbox.Rates) sandbox.Faults {
	drawn := sandbox.Seeded(w.dice.of("faults", service).Uint64(), rates)
	webhooks := sandbox.Seeded(w.dice.of("faults", "webhooks").Uint64(), w.plan.trouble.webhooks)
	var turn atomic.Uint64
	return sandbox.FaultFunc(func(operation string) sandbox.Fault {
		if w.calm.Load() {
			return sandbox.Fault{}
		}
		if operation == "webhook" {
			return webhooks.Next(operation)
		}
		fault := drawn.Next(operation)
		down, ok := w.plan.trouble.outages[service]
		if since := time.Since(w.began); !ok || since < down.from || since >= down.to {
			return fault
		}
		if down.readable && (operation == "retrieve" || operation == "list") {
			return fault
		}
		random := w.dice.of("outage", service, fmt.Sprint(turn.Add(1)))
		fault.Kind = down.kinds[random.IntN(len(down.kinds))]
		fault.Late, fault.Choice = between(random, 0, rates.MaxLate), random.Uint64()
		return fault
	})
}

// aws is AWS as a process reaches it.
func (w *world) aws(from *process) aws.Config {
	return aws.Config{
		Region:       "eu-central-1",
		Credentials:  credentials.NewStaticCredentialsProvider("key", "secret", ""),
		BaseEndpoint: aws.String("http://aws.local"),
		HTTPClient: &http.Client{Transport: byTarget{
			queues: link{from, queues, oneByOne{w.queues}},
			tables: link{from, tables, w.tables},
		}},
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(options *retry.StandardOptions) { options.Backoff = backoff{from} })
		},
	}
}

// backoff waits as the SDK does by default, up to a second, doubled with every
// attempt; but drawn from the seed.
type backoff struct{ process *process }

// BackoffDelay implements retry.BackoffDelayer.
func (b backoff) BackoffDelay(attempt int, _ error) (time.Duration, error) {
	random := b.process.world.dice.of("backoff", b.process.name, time.Now().String())
	return between(random, 0, min(time.Second<<attempt, retry.DefaultMaxBackoff)), nil
}

// byTarget sends a call of an AWS SDK to the service that it is for.
type byTarget struct{ queues, tables link }

// RoundTrip implements http.RoundTripper.
func (b byTarget) RoundTrip(request *http.Request) (*http.Response, error) {
	if strings.HasPrefix(request.Header.Get("X-Amz-Target"), "AmazonSQS.") {
		return b.queues.RoundTrip(request)
	}
	return b.tables.RoundTrip(request)
}

// oneByOne lets a receive from the queue return one message at most, as SQS may. Two
// copies that came together would be handled at the same nanosecond, by two handlers
// that nothing tells apart: whose call comes first would be left to chance.
type oneByOne struct{ queues http.Handler }

// ServeHTTP implements http.Handler.
func (o oneByOne) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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

// act starts somebody who ends by themselves.
func (w *world) act(name string, what func(as *process)) {
	w.actors.Go(func() { what(w.process(name)) })
}
