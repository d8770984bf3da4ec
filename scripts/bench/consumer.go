package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/billable-events/billable/pkg/retry"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/scripts/testbed"
)

const (
	workTimeout  = 2 * time.Minute // of one scenario, which takes a few seconds
	workInterval = 20 * time.Millisecond
	idleTime     = time.Second // after which consumers are ready and only poll

	mainName     = "main"
	workloadSeed = 20261

	// chargebeeLatency is the time of a call where consumers wait for Chargebee as in production.
	chargebeeLatency = 100 * time.Millisecond

	// manyLines is the number of lines from which a consumer has to read an invoice again: an answer of
	// Chargebee shows at most 100.
	manyLines = 100

	cpuPerInvoice = "CPU per invoice, ms"
)

const consumerIntroduction = `Consumers are the real binary, each in its own process; the fakes of SQS, DynamoDB and Chargebee are another process, on
loopback, without faults, limits or latency unless the table has one. Events and pending invoices exist before the consumers start. Their
messages are sent when every consumer is ready and idle; the time and the CPU (/proc/PID/stat, user and system) count from then until the
last message is deleted. After each scenario billed and expected charges are compared, and Chargebee must have been called once for each line
and once for each invoice. CPU is per invoice, of all consumers together; memory is the peak of the largest one (VmHWM).`

func newConsumerReport() *report {
	return &report{
		name: "consumer", title: "What a consumer costs", target: "bench-consumer", introduction: consumerIntroduction,
		history: []historyColumn{
			{"invoices/s", mainName, "invoices/s", "%.1f"},
			{cpuPerInvoice, mainName, cpuPerInvoice, "%.2f"},
			{"Chargebee calls per invoice", mainName, "Chargebee calls", "%.2f"},
			{"DynamoDB calls per invoice", mainName, "DynamoDB calls", "%.2f"},
			{"SQS calls per invoice", mainName, "SQS calls", "%.2f"},
		},
	}
}

// consumerScenario is a load on consumers.
type consumerScenario struct {
	name          string
	consumers     int
	concurrency   int // of each consumer
	invoices      int
	events, lines int           // per invoice
	latency       time.Duration // of Chargebee
	trust         bool          // invoice.trust_webhook
}

// The first scenario is the main one.
var consumerScenarios = []consumerScenario{
	{mainName, 1, 10, 1000, 50, 3, 0, false},
	{"trust_webhook", 1, 10, 1000, 50, 3, 0, true},
	// Consumers and fakes share the cores: once these are busy, more consumers cannot bill more.
	{"consumers=2", 2, 10, 1000, 50, 3, 0, false},
	{"consumers=4", 4, 10, 1000, 50, 3, 0, false},
	// A consumer's throughput is bounded by its concurrency, so every consumer adds the same.
	{"latency=100ms consumers=1", 1, 10, 200, 50, 3, chargebeeLatency, false},
	{"latency=100ms consumers=2", 2, 10, 400, 50, 3, chargebeeLatency, false},
	{"latency=100ms consumers=4", 4, 10, 800, 50, 3, chargebeeLatency, false},
	// Memory may grow with the size of a Query's answer, but not with the number of events beyond that.
	{"events=10", 1, 10, 1000, 10, 3, 0, false},
	{"events=100", 1, 10, 500, 100, 3, 0, false},
	{"events=1000", 1, 10, 100, 1000, 3, 0, false},
	{"events=10000", 1, 10, 20, 10_000, 3, 0, false},
	{"lines=1", 1, 10, 500, 100, 1, 0, false},
	{"lines=10", 1, 10, 300, 100, 10, 0, false},
	{"lines=100", 1, 10, 50, 100, 100, 0, false},
	{"concurrency=1", 1, 1, 500, 50, 3, 0, false},
	{"concurrency=50", 1, 50, 500, 50, 3, 0, false},
	{"latency=100ms concurrency=50", 1, 50, 500, 50, 3, chargebeeLatency, false},
}

// benchConsumer measures consumers.
func benchConsumer(ctx context.Context, o options, r *report) error {
	s := consumerSection()
	r.sections = append(r.sections, s)
	for _, scenario := range consumerScenarios {
		if o.quick {
			scenario = scenario.quick()
		}
		result, err := scenario.run(ctx, o.binaries, "")
		if err != nil {
			return fmt.Errorf("scenario %s: %w", scenario.name, err)
		}
		r.add(s, scenario.name, []string{scenario.name}, result)
	}
	r.addCalls(r.run.Results[mainName])
	if o.profile == "" {
		return nil
	}
	_, err := consumerScenarios[0].run(ctx, o.binaries, o.profile)
	return err
}

func consumerSection() *section {
	return &section{
		title:  "Scenarios",
		text:   "main is an invoice of 50 events and 3 lines. In the others one thing differs; with other numbers of lines an invoice has 100 events.",
		labels: []string{"scenario"},
		columns: []column{
			{"invoices", "%.0f"},
			{"invoices/s", "%.1f"},
			{cpuPerInvoice, "%.2f"},
			{"CPU per event, µs", "%.1f"},
			{"peak, MB", "%.0f"},
			{"Chargebee calls", "%.2f"},
			{"DynamoDB calls", "%.2f"},
			{"SQS calls", "%.2f"},
		},
	}
}

// quick returns a scenario that takes seconds.
func (s consumerScenario) quick() consumerScenario {
	s.invoices = max(s.invoices/8, s.consumers*2)
	return s
}

// addCalls adds the table of the calls of the main scenario.
func (r *report) addCalls(main figures) {
	s := &section{title: "Calls", text: "Of an invoice of the scenario " + mainName + ".", labels: []string{"call", "per invoice", "reason"}}
	for _, expected := range expectedCalls {
		s.rows = append(s.rows, []string{expected.call, strconv.FormatFloat(main[expected.call], 'f', 2, 64), expected.reason})
	}
	r.sections = append(r.sections, s)
}

// run prepares everything, starts the consumers, and measures until the last message is deleted.
func (s consumerScenario) run(ctx context.Context, binaries, profile string) (figures, error) {
	var counter callCounter
	env, err := testbed.New(testbed.Options{
		Chargebee: chargebee.Config{KeepDate: true, Latency: s.latency},
		Server:    counter.count,
	})
	if err != nil {
		return nil, err
	}
	defer env.Close()
	announcements, err := s.prepare(ctx, env, binaries)
	if err != nil {
		return nil, err
	}
	var consumers consumers
	defer func() { consumers.kill() }()
	for range s.consumers {
		if err := consumers.start(ctx, env, binaries,
			fmt.Sprintf("BILLABLE_WORKER_CONCURRENCY=%d", s.concurrency),
			fmt.Sprintf("BILLABLE_CHARGEBEE_MAX_CONCURRENT=%d", s.concurrency*s.consumers),
			"BILLABLE_CHARGEBEE_REQUESTS_PER_MINUTE=1000000000", // no limit: calls never wait for a permit
			fmt.Sprintf("BILLABLE_INVOICE_TRUST_WEBHOOK=%t", s.trust),
			fmt.Sprintf("BILLABLE_ADMIN_PPROF=%t", profile != "")); err != nil {
			return nil, err
		}
	}
	if err := retry.Wait(ctx, idleTime, nil); err != nil {
		return nil, err
	}
	counter.take()
	before, _, err := consumers.usage()
	if err != nil {
		return nil, err
	}
	profiled := make(chan error, 1)
	go func() { profiled <- writeProfile(ctx, consumers[0], profile) }()
	began := time.Now()
	if err := errors.Join(enqueue(ctx, env, announcements), waitUntilEmpty(ctx, env)); err != nil {
		return nil, err
	}
	took, calls := time.Since(began), counter.take()
	cpu, peak, err := consumers.usage()
	if err := errors.Join(err, <-profiled); err != nil {
		return nil, err
	}
	return s.figures(took, cpu-before, peak, calls), s.check(ctx, env, calls)
}

func (s consumerScenario) figures(took, cpu time.Duration, peak int64, calls map[string]int) figures {
	invoices := float64(s.invoices)
	f := figures{
		"invoices":          invoices,
		"invoices/s":        invoices / took.Seconds(),
		cpuPerInvoice:       milliseconds(cpu) / invoices,
		"CPU per event, µs": microseconds(cpu) / (invoices * float64(s.events)),
		"peak, MB":          megabytes(peak),
	}
	for _, service := range []string{"Chargebee", "DynamoDB", "SQS"} {
		f[service+" calls"] = float64(callsOf(calls, service)) / invoices
	}
	for call, count := range calls {
		f[call] = float64(count) / invoices
	}
	return f
}

// prepare creates queues, tables, events and pending invoices.
func (s consumerScenario) prepare(ctx context.Context, env *testbed.Env, binaries string) (announcements []string, err error) {
	if err := env.CreateQueues(ctx); err != nil {
		return nil, err
	}
	if err := env.CreateTables(ctx, filepath.Join(binaries, "consumer")); err != nil {
		return nil, err
	}
	return env.Fill(ctx, testbed.Workload{Invoices: s.invoices, Events: s.events, Codes: s.lines, Seed: workloadSeed})
}

// enqueue sends the messages of the invoices.
func enqueue(ctx context.Context, env *testbed.Env, announcements []string) error {
	for _, event := range announcements {
		if err := env.Enqueue(ctx, string(env.Chargebee.Payload(event))); err != nil {
			return err
		}
	}
	return nil
}

func waitUntilEmpty(ctx context.Context, env *testbed.Env) error {
	ctx, cancel := context.WithTimeoutCause(ctx, workTimeout, fmt.Errorf("the queue was not empty within %s", workTimeout))
	defer cancel()
	return testbed.Poll(ctx, workInterval, func() (bool, error) {
		queued, _, err := env.Queued(ctx)
		return queued == 0, err
	})
}

// check checks that everything was billed as expected, with no more calls than necessary.
func (s consumerScenario) check(ctx context.Context, env *testbed.Env, calls map[string]int) error {
	result, err := env.Reconcile(ctx)
	if err != nil {
		return err
	}
	if !result.Reconciled() {
		return fmt.Errorf("billed != expected in %d places, first: %s", len(result.Differences), result.Differences[0])
	}
	if want := s.invoices * s.events; result.EventsBilled != want || result.Closed != s.invoices {
		return fmt.Errorf("%d of %d invoices are closed, %d of %d events are billed", result.Closed, s.invoices, result.EventsBilled, want)
	}
	return errors.Join(s.checkCalls(calls, result.Charges), checkExpected(calls))
}

// checkCalls checks the calls to Chargebee: one for each line, one to close each invoice, and one to
// read it unless webhooks are trusted.
func (s consumerScenario) checkCalls(calls map[string]int, lines int) error {
	charges, closes := calls["Chargebee add_charge"], calls["Chargebee close"]
	if charges != lines || closes != s.invoices {
		return fmt.Errorf("%d lines were added with %d calls, %d invoices closed with %d", lines, charges, s.invoices, closes)
	}
	reads := s.invoices
	if s.trust {
		reads = 0
	}
	if got := callsOf(calls, "Chargebee") - charges - closes; got != reads && s.lines < manyLines {
		return fmt.Errorf("%d further calls to Chargebee, want %d", got, reads)
	}
	return nil
}
