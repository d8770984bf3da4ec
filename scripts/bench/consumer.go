package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/scripts/testbed"
)

// scenarioCommand makes this program the fakes of one scenario, which starts the consumers: no
// scenario inherits the heap of another.
const scenarioCommand = "scenario"

const (
	consumerTimeout = 10 * time.Minute // of a run
	workTimeout     = 2 * time.Minute  // of one scenario, which takes a few seconds
	firstPollLimit  = 5 * time.Second

	mainName     = "main"
	mainRuns     = 3 // the median counts
	workloadSeed = 20261

	// manyLines is the number of lines from which a consumer has to read an invoice again: an answer of
	// Chargebee shows at most 100.
	manyLines = 100
)

// ConsumerScenario is a load on consumers.
type ConsumerScenario struct {
	Name        string
	Consumers   int
	Concurrency int // of each consumer
	Invoices    int
	Events      int           // per invoice
	Lines       int           // per invoice
	Latency     time.Duration // of Chargebee
	Trust       bool          // invoice.trust_webhook
	Timeout     time.Duration

	Binaries string
	Profile  string        // directory for profiles of the first consumer
	Sample   time.Duration // length of the CPU profile
}

func mainScenario() ConsumerScenario {
	return ConsumerScenario{Name: mainName, Consumers: 1, Concurrency: 10, Invoices: 1000, Events: 50, Lines: 3, Timeout: workTimeout}
}

// benchConsumer measures consumers.
func benchConsumer(ctx context.Context, o options) error {
	ctx, cancel := context.WithTimeoutCause(ctx, consumerTimeout, fmt.Errorf("the run did not finish within %s", consumerTimeout))
	defer cancel()
	file := filepath.Join(o.reports, "consumer.json")
	past, err := readRecord[ConsumerResult](file)
	if err != nil {
		return err
	}
	r := consumerReport{comparisons: comparisons()}
	r.before, r.baseline = past.compareWith()
	if r.run, err = newRun[ConsumerResult](ctx); err != nil {
		return err
	}
	if err := r.measure(ctx, o); err != nil {
		return err
	}
	sections, err := r.sections()
	if err != nil {
		return err
	}
	if !o.quick {
		past = past.with(r.run)
		sections = append(sections, consumerHistory(past))
	}
	if err := printSections(o.out, sections, r.run.describe(), r.run.warning(r.before)); err != nil {
		return err
	}
	if !o.quick {
		if err := errors.Join(past.write(file), writeFile(filepath.Join(o.reports, "consumer.md"), r.page(sections))); err != nil {
			return err
		}
	}
	if o.profile == "" {
		return nil
	}
	s := mainScenario()
	s.Profile, s.Sample = o.profile, r.run.Results[mainName].Took*8/10
	if _, err := o.runScenario(ctx, s); err != nil {
		return err
	}
	return printProfile(ctx, o.out, o.profile)
}

// measure runs all scenarios.
func (r *consumerReport) measure(ctx context.Context, o options) (err error) {
	runs := mainRuns
	if o.quick {
		runs = 1
	}
	for range runs {
		result, err := o.runScenario(ctx, mainScenario())
		if err != nil {
			return err
		}
		r.mainRuns = append(r.mainRuns, result)
	}
	sorted := slices.SortedFunc(slices.Values(r.mainRuns), func(a, b ConsumerResult) int { return cmp.Compare(a.CPU, b.CPU) })
	r.run.Results[mainName] = sorted[len(sorted)/2]
	for _, comparison := range r.comparisons {
		for _, s := range comparison.scenarios {
			if _, done := r.run.Results[s.Name]; done {
				continue
			}
			if r.run.Results[s.Name], err = o.runScenario(ctx, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// runScenario runs a scenario in a process of its own.
func (o options) runScenario(ctx context.Context, s ConsumerScenario) (r ConsumerResult, err error) {
	s.Binaries = o.binaries
	if o.quick {
		s = s.quick()
	}
	process, err := startChild(ctx, scenarioCommand)
	if err != nil {
		return r, err
	}
	if err := errors.Join(process.call("Run", s, &r), process.stop()); err != nil {
		return r, fmt.Errorf("scenario %s: %w", s.Name, err)
	}
	_, _ = fmt.Fprintf(o.progress, "%-28s %5d invoices  %7.1f invoices/s  %7.2f ms CPU per invoice\n", s.Name, r.Invoices, r.perSecond(r.Invoices), r.cpuPerInvoice())
	return r, nil
}

// quick returns a scenario that takes seconds.
func (s ConsumerScenario) quick() ConsumerScenario {
	s.Invoices = max(s.Invoices/8, s.Consumers*2)
	return s
}

// scenarioRunner is the service of a scenario's process.
type scenarioRunner struct{ ctx context.Context }

// Run runs a scenario.
func (r *scenarioRunner) Run(s ConsumerScenario, result *ConsumerResult) (err error) {
	*result, err = s.run(r.ctx)
	return err
}

// run prepares everything, starts the consumers, and measures until the last message is deleted.
func (s ConsumerScenario) run(ctx context.Context) (ConsumerResult, error) {
	gate := newGate(s.Invoices)
	env, err := testbed.New(testbed.Options{
		Chargebee: chargebee.Config{KeepDate: true, Latency: s.Latency},
		Server:    gate.wrap,
	})
	if err != nil {
		return ConsumerResult{}, err
	}
	defer env.Close()
	if err := s.prepare(ctx, env); err != nil {
		return ConsumerResult{}, err
	}
	var consumers []*testbed.Process
	defer func() { killAll(consumers) }()
	for range s.Consumers {
		consumer, err := startConsumer(env, s.Binaries,
			fmt.Sprintf("BILLABLE_WORKER_CONCURRENCY=%d", s.Concurrency),
			fmt.Sprintf("BILLABLE_CHARGEBEE_MAX_CONCURRENT=%d", s.Concurrency*s.Consumers),
			"BILLABLE_CHARGEBEE_REQUESTS_PER_MINUTE=1000000000", // no limit: calls never wait for a permit
			fmt.Sprintf("BILLABLE_INVOICE_TRUST_WEBHOOK=%t", s.Trust),
			fmt.Sprintf("BILLABLE_ADMIN_PPROF=%t", s.Profile != ""))
		if err != nil {
			return ConsumerResult{}, err
		}
		consumers = append(consumers, consumer)
	}
	if err := s.waitUntilIdle(ctx, gate, consumers); err != nil {
		return ConsumerResult{}, err
	}
	before, err := usage(consumers)
	if err != nil {
		return ConsumerResult{}, err
	}
	profiled := make(chan error, 1)
	go func() { profiled <- s.profile(ctx, consumers[0]) }()
	gate.open()
	if err := s.waitUntilFinished(ctx, gate, consumers); err != nil {
		return ConsumerResult{}, errors.Join(err, <-profiled)
	}
	after, err := usage(consumers)
	if err := errors.Join(err, <-profiled); err != nil {
		return ConsumerResult{}, err
	}
	result := gate.result()
	result.Invoices = s.Invoices
	result.CPU, result.FakesCPU, result.PeakMemory = after.CPU-before.CPU, after.FakesCPU-before.FakesCPU, after.PeakMemory
	return result, s.check(ctx, env, &result)
}

// prepare creates queues, tables, events, pending invoices and their messages.
func (s ConsumerScenario) prepare(ctx context.Context, env *testbed.Env) error {
	if err := env.CreateQueues(ctx); err != nil {
		return err
	}
	if err := env.CreateTables(ctx, filepath.Join(s.Binaries, "consumer")); err != nil {
		return err
	}
	events, err := env.Fill(ctx, testbed.Workload{Invoices: s.Invoices, Events: s.Events, Codes: s.Lines, Seed: workloadSeed})
	if err != nil {
		return err
	}
	for _, event := range events {
		if err := env.Enqueue(ctx, string(env.Chargebee.Payload(event))); err != nil {
			return err
		}
	}
	return nil
}

func startConsumer(env *testbed.Env, binaries string, settings ...string) (*testbed.Process, error) {
	admin, err := testbed.FreeAddress()
	if err != nil {
		return nil, err
	}
	return testbed.Start(testbed.Command{Binary: filepath.Join(binaries, "consumer"), Admin: admin, Env: append(env.ConsumerEnviron(), settings...)})
}

func killAll(consumers []*testbed.Process) {
	for _, consumer := range consumers {
		consumer.Signal(syscall.SIGKILL)
		<-consumer.Exited()
	}
}

// waitUntilIdle waits until every consumer is ready and its first poll is held back.
func (s ConsumerScenario) waitUntilIdle(ctx context.Context, gate *gate, consumers []*testbed.Process) error {
	for _, consumer := range consumers {
		if err := consumer.Ready(ctx); err != nil {
			return err
		}
	}
	timeout := time.After(firstPollLimit)
	for range consumers {
		select {
		case <-gate.polling:
		case <-timeout:
			return fmt.Errorf("not every consumer polled within %s", firstPollLimit)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (s ConsumerScenario) waitUntilFinished(ctx context.Context, gate *gate, consumers []*testbed.Process) error {
	ended := make(chan struct{}, len(consumers))
	for _, consumer := range consumers {
		go func() {
			<-consumer.Exited()
			ended <- struct{}{}
		}()
	}
	select {
	case <-gate.finished:
		return nil
	case <-ended:
		return errors.New("a consumer exited")
	case <-time.After(s.Timeout):
		return fmt.Errorf("%d of %d invoices were finished within %s", gate.deletedMessages(), s.Invoices, s.Timeout)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// usage returns the CPU time and the peak memory so far.
func usage(consumers []*testbed.Process) (u ConsumerResult, err error) {
	for _, consumer := range consumers {
		cpu, err := cpuTime(consumer.PID())
		if err != nil {
			return u, err
		}
		peak, err := peakMemory(consumer.PID())
		if err != nil {
			return u, err
		}
		u.CPU += cpu
		u.PeakMemory = max(u.PeakMemory, peak)
	}
	u.FakesCPU, err = cpuTime(os.Getpid())
	return u, err
}

// check checks that everything was billed as expected, with no more calls than necessary.
func (s ConsumerScenario) check(ctx context.Context, env *testbed.Env, result *ConsumerResult) error {
	reconciled, err := env.Reconcile(ctx)
	if err != nil {
		return err
	}
	result.Events, result.Lines = reconciled.EventsBilled, reconciled.Charges
	if !reconciled.Reconciled() {
		return fmt.Errorf("billed != expected in %d places, first: %s", len(reconciled.Differences), reconciled.Differences[0])
	}
	if want := s.Invoices * s.Events; reconciled.EventsBilled != want || reconciled.Closed != s.Invoices {
		return fmt.Errorf("%d of %d invoices are closed, %d of %d events are billed", reconciled.Closed, s.Invoices, reconciled.EventsBilled, want)
	}
	queued, dead, err := env.Queued(ctx)
	if err != nil {
		return err
	}
	if queued+dead > 0 {
		return fmt.Errorf("%d messages are left, %d are dead letters", queued, dead)
	}
	return s.checkCalls(*result)
}

// checkCalls checks the calls to Chargebee: one for each line, one to close each invoice, and one to
// read it unless webhooks are trusted.
func (s ConsumerScenario) checkCalls(r ConsumerResult) error {
	charges, closes := r.Calls["Chargebee add_charge"], r.Calls["Chargebee close"]
	if charges != r.Lines || closes != s.Invoices {
		return fmt.Errorf("%d lines were added with %d calls, %d invoices closed with %d", r.Lines, charges, s.Invoices, closes)
	}
	reads := s.Invoices
	if s.Trust {
		reads = 0
	}
	if got := r.callsOf("Chargebee") - charges - closes; got != reads && s.Lines < manyLines {
		return fmt.Errorf("%d further calls to Chargebee, want %d", got, reads)
	}
	_, err := callRows(r)
	return err
}

const cpuProfile = "cpu.pprof"

// profile writes a CPU profile of a consumer at work, and its allocations.
func (s ConsumerScenario) profile(ctx context.Context, consumer *testbed.Process) error {
	if s.Profile == "" {
		return nil
	}
	if err := os.MkdirAll(s.Profile, 0o750); err != nil {
		return err
	}
	seconds := max(int(s.Sample/time.Second), 1)
	return errors.Join(
		download(ctx, fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", consumer.Admin(), seconds), filepath.Join(s.Profile, cpuProfile)),
		download(ctx, consumer.Admin()+"/debug/pprof/allocs", filepath.Join(s.Profile, "allocs.pprof")),
	)
}

func download(ctx context.Context, url, file string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: status %s: %w", url, response.Status, err)
	}
	return writeFile(file, content)
}

// printProfile prints the functions with the most CPU time, and the program's own with all that they
// call.
func printProfile(ctx context.Context, out io.Writer, directory string) error {
	for _, flags := range [][]string{{"-nodecount=30"}, {"-nodecount=40", "-cum", "-show=billable-events"}} {
		args := slices.Concat([]string{"tool", "pprof", "-top"}, flags, []string{filepath.Join(directory, cpuProfile)})
		pprof := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the path is the caller's
		pprof.Stdout, pprof.Stderr = out, os.Stderr
		if err := pprof.Run(); err != nil {
			return fmt.Errorf("go tool pprof: %w", err)
		}
	}
	return nil
}
