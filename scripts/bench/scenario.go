package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/scripts/bench/machine"
	"github.com/billable-events/billable/scripts/testbed"
)

const seed = 20261 // of what is billed: every run bills the same

// scenario is one load on consumers.
type scenario struct {
	Name        string        `json:"name"` // under which its numbers are recorded
	Consumers   int           `json:"consumers"`
	Concurrency int           `json:"concurrency"` // of each consumer
	Invoices    int           `json:"invoices"`
	Events      int           `json:"events"`  // per invoice
	Lines       int           `json:"lines"`   // per invoice
	Latency     time.Duration `json:"latency"` // of Chargebee
	Trust       bool          `json:"trust"`   // consumers take complete webhooks at their word
	Limit       time.Duration `json:"limit"`   // longest time for the work

	Binaries string        `json:"binaries"`          // their directory
	Profile  string        `json:"profile,omitempty"` // directory for profiles of the first consumer; "": none
	Sample   time.Duration `json:"sample,omitempty"`  // how long the CPU profile is
}

// run does the scenario: everything is there before the consumers start, they start
// before the work begins, and the work is over when the last message is deleted.
func (s scenario) run(ctx context.Context) (result, error) {
	watch := newWatch(s.Invoices)
	world, err := testbed.New(testbed.Options{
		Chargebee: chargebee.Config{KeepDate: true, Latency: s.Latency},
		Server:    watch.server,
	})
	if err != nil {
		return result{}, err
	}
	defer world.Close()
	if err := s.prepare(ctx, world); err != nil {
		return result{}, err
	}
	consumers, err := s.start(ctx, world, watch)
	defer func() {
		for _, consumer := range consumers {
			// There is nothing left to lose, and a poll under way would be waited for.
			consumer.Signal(syscall.SIGKILL)
			<-consumer.Exited()
		}
	}()
	if err != nil {
		return result{}, err
	}

	before, err := usage(consumers)
	if err != nil {
		return result{}, err
	}
	profiled := make(chan error, 1)
	go func() { profiled <- s.profile(ctx, consumers[0]) }()
	watch.open()
	if err := s.wait(ctx, watch, consumers); err != nil {
		return result{}, errors.Join(err, <-profiled)
	}
	after, err := usage(consumers)
	if err := errors.Join(err, <-profiled); err != nil {
		return result{}, err
	}
	seen := watch.look()
	total := result{
		Invoices:    s.Invoices,
		Took:        seen.took,
		CPU:         after.consumers - before.consumers,
		StandInCPU:  after.self - before.self,
		PeakMemory:  after.peak,
		Calls:       seen.calls,
		Connections: seen.connections,
	}
	return total, s.check(ctx, world, &total)
}

func (s scenario) prepare(ctx context.Context, world *testbed.Env) error {
	if err := world.CreateQueues(ctx); err != nil {
		return err
	}
	if err := world.CreateTables(ctx, s.consumer()); err != nil {
		return err
	}
	announced, err := world.Fill(ctx, testbed.Workload{Invoices: s.Invoices, Events: s.Events, Codes: s.Lines, Seed: seed})
	if err != nil {
		return err
	}
	for _, event := range announced {
		if err := world.Enqueue(ctx, event); err != nil {
			return err
		}
	}
	return nil
}

func (s scenario) consumer() string { return filepath.Join(s.Binaries, "consumer") }

// start starts the consumers and waits until each is ready and polls: then it is idle.
func (s scenario) start(ctx context.Context, world *testbed.Env, watch *watch) ([]*testbed.Process, error) {
	var consumers []*testbed.Process
	for range s.Consumers {
		admin, err := testbed.FreeAddress()
		if err != nil {
			return consumers, err
		}
		consumer, err := testbed.Start(testbed.Command{Binary: s.consumer(), Admin: admin, Env: append(world.ConsumerEnviron(),
			fmt.Sprintf("BILLABLE_WORKER_CONCURRENCY=%d", s.Concurrency),
			fmt.Sprintf("BILLABLE_CHARGEBEE_MAX_CONCURRENT=%d", s.Concurrency*s.Consumers),
			"BILLABLE_CHARGEBEE_REQUESTS_PER_MINUTE=1000000000", // no limit: a permit is always at hand
			fmt.Sprintf("BILLABLE_INVOICE_TRUST_WEBHOOK=%t", s.Trust),
			fmt.Sprintf("BILLABLE_ADMIN_PPROF=%t", s.Profile != ""),
		)})
		if err != nil {
			return consumers, err
		}
		consumers = append(consumers, consumer)
	}
	for _, consumer := range consumers {
		if err := consumer.Ready(ctx); err != nil {
			return consumers, err
		}
	}
	for range consumers {
		select {
		case <-watch.polling:
		case <-time.After(startLimit):
			return consumers, fmt.Errorf("not every consumer polled within %s", startLimit)
		case <-ctx.Done():
			return consumers, context.Cause(ctx)
		}
	}
	return consumers, nil
}

// startLimit is for a consumer's first poll once it is ready. A poll that is held
// back lasts less than the 10 s that a consumer waits for an answer.
const startLimit = 5 * time.Second

// wait waits until the last invoice is finished.
func (s scenario) wait(ctx context.Context, watch *watch, consumers []*testbed.Process) error {
	ended := make(chan struct{}, len(consumers))
	for _, consumer := range consumers {
		go func() {
			<-consumer.Exited()
			ended <- struct{}{}
		}()
	}
	select {
	case <-watch.all:
		return nil
	case <-ended:
		return errors.New("a consumer ended by itself")
	case <-time.After(s.Limit):
		return fmt.Errorf("%d of %d invoices were finished within %s", watch.look().finished, s.Invoices, s.Limit)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// check looks at what was done: a benchmark of wrong results is none.
func (s scenario) check(ctx context.Context, world *testbed.Env, total *result) error {
	account, err := world.Reconcile(ctx)
	if err != nil {
		return err
	}
	total.Events, total.Lines = account.EventsBilled, account.Charges
	if !account.Reconciled() {
		return fmt.Errorf("the books differ in %d places, first: %s", len(account.Differences), account.Differences[0])
	}
	if want := s.Invoices * s.Events; account.EventsBilled != want || account.Closed != s.Invoices {
		return fmt.Errorf("%d of %d invoices are closed, %d of %d events are billed", account.Closed, s.Invoices, account.EventsBilled, want)
	}
	queued, dead, err := world.Queued(ctx)
	if err != nil {
		return err
	}
	if queued+dead > 0 {
		return fmt.Errorf("%d messages are left, %d are dead letters", queued, dead)
	}
	return s.checkCalls(*total)
}

// shownLines is how many lines of an invoice an answer of Chargebee shows for sure.
const shownLines = 100

// checkCalls: an undisturbed invoice of n lines costs n + 2 calls to Chargebee, or n + 1 where
// webhooks are trusted, unless it has so many lines that they have to be read.
func (s scenario) checkCalls(total result) error {
	charges, closes := total.Calls["Chargebee add_charge"], total.Calls["Chargebee close"]
	if charges != total.Lines || closes != s.Invoices {
		return fmt.Errorf("%d lines were added with %d calls, %d invoices closed with %d", total.Lines, charges, s.Invoices, closes)
	}
	reads := s.Invoices
	if s.Trust {
		reads = 0
	}
	if got := total.callsOf("Chargebee") - charges - closes; got != reads && s.Lines < shownLines {
		return fmt.Errorf("%d calls to Chargebee besides those for lines and closes, want %d", got, reads)
	}
	_, err := callRows(total)
	return err
}

// used is what processes have used so far.
type used struct {
	consumers, self time.Duration // CPU
	peak            int64         // bytes, of the largest consumer
}

func usage(consumers []*testbed.Process) (used, error) {
	var u used
	for _, consumer := range consumers {
		cpu, err := machine.ProcessCPU(consumer.PID())
		if err != nil {
			return u, err
		}
		peak, err := machine.PeakMemory(consumer.PID())
		if err != nil {
			return u, err
		}
		u.consumers += cpu
		u.peak = max(u.peak, peak)
	}
	var err error
	u.self, err = machine.ProcessCPU(os.Getpid())
	return u, err
}
