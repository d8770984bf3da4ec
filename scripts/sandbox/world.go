package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
	"github.com/billable-events/billable/scripts/testbed"
)

// What the receivers accept.
const (
	username = "chargebee"
	password = "sandbox:password"
)

// earlyEvery: one event in so many subscriptions belongs to the next invoice.
const earlyEvery = 10

// world is everything outside of the two binaries.
type world struct {
	*testbed.World

	options options
	failing *atomic.Bool
}

// newWorld starts the stand-ins on loopback, as far as there are no other services.
func newWorld(o options) (*world, error) {
	w := &world{options: o, failing: new(atomic.Bool)}
	rates := faultRates[o.faults]
	faults := func(seed uint64, rates sandbox.Rates) sandbox.Faults {
		return switched{sandbox.Seeded(seed, rates), w.failing}
	}
	site := chargebee.Config{
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
	var err error
	w.World, err = testbed.NewWorld(testbed.Options{
		SQS:       sqs.Config{Seed: o.seed, Faults: faults(o.seed+1, rates.sqs)},
		DynamoDB:  dynamodb.Config{Faults: faults(o.seed+2, rates.dynamodb)},
		Chargebee: site,

		SQSURL:      o.sqs,
		DynamoDBURL: o.dynamodb,
		Prefix:      o.prefix,
	})
	return w, err
}

// hurried tells whether the run uses short times: with faults or kills there are
// doubts to resolve, which takes minutes otherwise.
func (o options) hurried() bool { return o.faults != "none" || o.kill }

// prepare makes queues and tables, and fills in events and pending invoices.
func (w *world) prepare(ctx context.Context) error {
	if err := w.MakeQueues(ctx); err != nil {
		return err
	}
	if err := w.MakeTables(ctx, filepath.Join(w.options.binaries, "consumer")); err != nil {
		return err
	}
	_, err := w.Fill(ctx, testbed.Renewals{
		Invoices:   w.options.invoices,
		Events:     w.options.events,
		Codes:      w.options.codes,
		EarlyEvery: earlyEvery,
		Seed:       w.options.seed,
	})
	return err
}

// receiverEnvironment is the settings of the receivers.
func (w *world) receiverEnvironment() []string {
	return append(w.AWSEnvironment(),
		"BILLABLE_QUEUE_URL="+w.QueueURL,
		"BILLABLE_AUTH_USERNAME="+username,
		"BILLABLE_AUTH_PASSWORD="+password,
		"BILLABLE_HTTP_SHUTDOWN_DELAY=1s",
		"BILLABLE_LOG_LEVEL=warn",
	)
}

// consumerEnvironment is the settings of the consumers, which share the site's limit of calls.
func (w *world) consumerEnvironment() []string {
	environment := append(w.ConsumerEnvironment(),
		fmt.Sprintf("BILLABLE_CHARGEBEE_REQUESTS_PER_MINUTE=%d", w.options.rate),
		fmt.Sprintf("BILLABLE_CHARGEBEE_MAX_CONCURRENT=%d", 50),
	)
	if w.options.hurried() {
		environment = append(environment,
			"BILLABLE_CHARGEBEE_CALL_TIMEOUT="+callTimeout.String(),
			"BILLABLE_CHARGEBEE_MAX_EFFECT_DELAY="+lateBound.String(),
			"BILLABLE_CHARGEBEE_IDEMPOTENCY_WINDOW="+window.String(),
			"BILLABLE_CLOCK_MAX_SKEW="+maxSkew.String(),
			"BILLABLE_LEDGER_LEASE="+lease.String(),
			"BILLABLE_WORKER_VISIBILITY_TIMEOUT="+visibility.String(),
			"BILLABLE_WORKER_MAX_ATTEMPTS=50",
		)
	}
	return environment
}
