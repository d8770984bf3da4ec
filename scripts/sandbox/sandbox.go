package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
	"github.com/billable-events/billable/scripts/testbed"
)

// The credentials of the webhooks.
const (
	username = "chargebee"
	password = "sandbox:password"
)

// faultRates are the fault rates of each fake, by the value of --faults.
var faultRates = map[string]struct{ sqs, dynamodb, chargebee sandbox.Rates }{
	"none": {},
	"light": {
		sqs:      sandbox.Rates{Throttle: 0.005, LoseReply: 0.005, Partial: 0.01, Duplicate: 0.02, DelayRate: 0.05, MaxDelay: 50 * time.Millisecond},
		dynamodb: sandbox.Rates{Throttle: 0.005, Refuse: 0.002, LoseReply: 0.005, DelayRate: 0.05, MaxDelay: 50 * time.Millisecond},
		chargebee: sandbox.Rates{
			Throttle: 0.005, Refuse: 0.005, LoseReply: 0.005, ApplyLate: 0.002, CutBody: 0.002,
			DelayRate: 0.1, MaxDelay: 200 * time.Millisecond, MaxLate: maxLate,
		},
	},
	"heavy": {
		sqs:      sandbox.Rates{Throttle: 0.02, Refuse: 0.02, LoseReply: 0.03, Partial: 0.05, Duplicate: 0.1, CutBody: 0.01, DelayRate: 0.2, MaxDelay: 200 * time.Millisecond},
		dynamodb: sandbox.Rates{Throttle: 0.02, Refuse: 0.01, LoseReply: 0.02, ApplyLate: 0.005, CutBody: 0.005, Partial: 0.02, DelayRate: 0.1, MaxDelay: 100 * time.Millisecond, MaxLate: time.Second},
		chargebee: sandbox.Rates{
			Throttle: 0.02, Refuse: 0.02, LoseReply: 0.03, ApplyLate: 0.01, CutBody: 0.01,
			DelayRate: 0.2, MaxDelay: 500 * time.Millisecond, MaxLate: maxLate,
		},
	},
}

// Short times, so that calls in doubt are resolved within seconds. A call takes effect within
// maxEffectDelay: the fake delays it by MaxDelay, and applies it at most maxLate after that.
const (
	callTimeout       = time.Second
	maxEffectDelay    = 3 * time.Second
	maxLate           = 2 * time.Second
	maxSkew           = 500 * time.Millisecond
	idempotencyWindow = 12 * time.Second
	lease             = 6 * time.Second
	visibilityTimeout = 6 * time.Second
)

// system is the services and the processes of one run.
type system struct {
	*testbed.Env

	options   options
	faulty    atomic.Bool // faults are injected; not while tables are filled or results are read
	processes []*process
	receivers []string // their URLs
	next      atomic.Uint64
	killed    atomic.Int64
	paused    int
	control   net.Listener // of the command invoice; nil without --keep
	demos     atomic.Int64 // invoices that got a name
	stop      func() error // a second call returns the result of the first

	mu      sync.Mutex // of screen
	screen  io.Writer
	started time.Time
}

// newSandbox starts the fakes on loopback, unless other services replace them.
func newSandbox(o options, screen io.Writer) (*system, error) {
	s := &system{options: o, screen: screen, started: time.Now(), stop: func() error { return nil }}
	seed, rates := o.workload.Seed, faultRates[o.faults]
	faults := func(seed uint64, rates sandbox.Rates) sandbox.Faults {
		seeded := sandbox.Seeded(seed, rates)
		return sandbox.FaultFunc(func(operation string) sandbox.Fault {
			if !s.faulty.Load() {
				return sandbox.Fault{}
			}
			return seeded.Next(operation)
		})
	}
	site := chargebee.Config{
		Seed:              seed,
		Faults:            faults(seed+3, rates.chargebee),
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
	if o.shortTimes() {
		site.IdempotencyWindow = idempotencyWindow
	}
	var err error
	s.Env, err = testbed.New(testbed.Options{
		SQS:         sqs.Config{Seed: seed, Faults: faults(seed+1, rates.sqs)},
		DynamoDB:    dynamodb.Config{Faults: faults(seed+2, rates.dynamodb)},
		Chargebee:   site,
		SQSURL:      o.sqs,
		DynamoDBURL: o.dynamodb,
		Prefix:      o.prefix,
	})
	return s, err
}

// printf prints a line on the screen, with the time since the sandbox was started.
func (s *system) printf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.screen, "%5.1f s  %s\n", time.Since(s.started).Seconds(), fmt.Sprintf(format, args...))
}

// shortTimes reports whether calls in doubt are expected: with the default times each of them
// takes minutes.
func (o options) shortTimes() bool { return o.faults != "none" || o.kill }

// prepare creates queues, tables, events and pending invoices. The address of the command invoice is
// known from then on; its requests wait until the work is done.
func (s *system) prepare(ctx context.Context) error {
	if err := os.MkdirAll(s.options.directory, 0o750); err != nil {
		return err
	}
	if err := s.CreateQueues(ctx); err != nil {
		return err
	}
	if err := s.CreateTables(ctx, filepath.Join(s.options.binaries, "consumer")); err != nil {
		return err
	}
	if _, err := s.Fill(ctx, s.options.workload); err != nil || !s.options.keep {
		return err
	}
	var err error
	s.control, err = (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	return err
}

func (s *system) receiverEnviron() []string {
	return append(s.AWSEnviron(),
		"BILLABLE_QUEUE_URL="+s.QueueURL,
		"BILLABLE_AUTH_USERNAME="+username,
		"BILLABLE_AUTH_PASSWORD="+password,
		"BILLABLE_HTTP_SHUTDOWN_DELAY=1s",
	)
}

func (s *system) consumerEnviron() []string {
	environ := append(s.ConsumerEnviron(),
		fmt.Sprintf("BILLABLE_CHARGEBEE_REQUESTS_PER_MINUTE=%d", s.options.rate),
		"BILLABLE_CHARGEBEE_MAX_CONCURRENT=50",
		"BILLABLE_CLOCK_MAX_SKEW="+maxSkew.String(), // one machine has one clock
	)
	if s.options.shortTimes() {
		environ = append(environ,
			"BILLABLE_CHARGEBEE_CALL_TIMEOUT="+callTimeout.String(),
			"BILLABLE_CHARGEBEE_MAX_EFFECT_DELAY="+maxEffectDelay.String(),
			"BILLABLE_CHARGEBEE_IDEMPOTENCY_WINDOW="+idempotencyWindow.String(),
			"BILLABLE_LEDGER_LEASE="+lease.String(),
			"BILLABLE_WORKER_VISIBILITY_TIMEOUT="+visibilityTimeout.String(),
			"BILLABLE_WORKER_MAX_ATTEMPTS=50",
		)
	}
	return environ
}
