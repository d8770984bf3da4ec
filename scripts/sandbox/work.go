package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/scripts/testbed"
)

const (
	pollInterval     = 200 * time.Millisecond
	progressInterval = 2 * time.Second
	// retryScale turns Chargebee's first retry after 2 minutes into one after 2 s.
	retryScale = 1.0 / 60

	maxDifferences = 20 // that are printed
)

var (
	errTimeout  = errors.New("the work was not finished in time")
	errMismatch = errors.New("billed != expected")
)

// work delivers the webhooks and waits until all messages are settled.
func (s *system) work(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.timeout)
	defer cancel()
	s.describe()
	s.faulty.Store(true)
	defer s.faulty.Store(false)

	var background sync.WaitGroup
	defer background.Wait()
	failed := make(chan error, 1)
	delivering, stopDelivering := context.WithCancel(ctx)
	defer stopDelivering()
	background.Go(func() {
		failed <- s.Chargebee.Deliver(delivering, chargebee.Endpoint{
			URL:         s.webhookURL(),
			Username:    username,
			Password:    password,
			Client:      &http.Client{Transport: s},
			Concurrency: 50,
			RetryScale:  retryScale,
		})
	})
	chaos, stopChaos := context.WithCancel(ctx)
	defer stopChaos()
	if s.options.kill {
		background.Go(func() { s.chaos(chaos) })
	}

	printed, last := time.Time{}, -1
	total := s.options.workload.Invoices
	var uncounted error // why the messages could not be counted
	for {
		select {
		case <-ctx.Done():
			return errors.Join(errTimeout, uncounted)
		case err := <-failed:
			if ctx.Err() == nil && err != nil {
				return err
			}
		case <-time.After(pollInterval):
		}
		// Deliveries first: a message delivered after the count is not in it.
		pending := s.Chargebee.Deliveries().Pending
		queued, dead, err := s.Queued(ctx)
		if uncounted = err; err != nil {
			continue // faults are injected here too
		}
		done := dead + s.closed()
		finished := pending == 0 && queued == 0
		if done != last && (done >= total || time.Since(printed) >= progressInterval) {
			printed, last = time.Now(), done
			s.printf("%d of %d invoices closed", done, total)
		}
		if done >= total*9/10 {
			stopChaos() // so that the work can finish
		}
		if finished {
			return nil
		}
	}
}

// describe prints what is about to happen.
func (s *system) describe() {
	o, w := s.options, s.screen
	_, _ = fmt.Fprintf(w, "%d invoices of %d events, receivers: %d, consumers: %d, logs in %s\n", o.workload.Invoices, o.workload.Events, o.receivers, o.consumers, o.directory)
	if o.faults != "none" {
		_, _ = fmt.Fprintf(w, "Faults are %s: SQS, DynamoDB and Chargebee refuse, delay and lose calls, so the logs are full of errors.\n"+
			"Invoices whose calls got no answer are closed last: first it is found out whether the call had an effect.\n", o.faults)
	}
	if o.kill {
		_, _ = fmt.Fprintln(w, "Processes are killed and paused at random moments until 9 of 10 invoices are closed.")
	}
}

// closed returns the number of invoices that are no longer pending.
func (s *system) closed() (count int) {
	for _, invoice := range s.Chargebee.Invoices() {
		if invoice.Status != chargebee.StatusPending {
			count++
		}
	}
	return count
}

// report prints the result. It returns errMismatch if billed and expected charges differ.
func (s *system) report(ctx context.Context, out io.Writer, took time.Duration) error {
	result, err := s.Reconcile(ctx)
	if err != nil {
		return err
	}
	_, dead, err := s.Queued(ctx)
	if err != nil {
		return err
	}
	deliveries, calls := s.Chargebee.Deliveries(), s.Chargebee.Calls()
	attempts := 0
	for _, count := range deliveries.Attempts {
		attempts += count
	}
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-22s %s\n", name, fmt.Sprintf(format, args...))
	}
	workload := s.options.workload
	fmt.Fprintf(&b, "\n%d invoices of %d events, faults %s, seed %d\n", workload.Invoices, workload.Events, s.options.faults, workload.Seed)
	row("time", "%.1f s, %.1f invoices/s", took.Seconds(), float64(result.Closed)/took.Seconds())
	row("webhooks answered 2xx", "%d of %d, in %d deliveries", deliveries.Events[chargebee.WebhookSucceeded], workload.Invoices, attempts)
	row("invoices closed", "%d of %d", result.Closed, result.Invoices)
	row("lines added", "%d", result.Charges)
	row("expected", "%s", billing.FormatAmount(result.Expected, testbed.Currency))
	row("billed", "%s", billing.FormatAmount(result.Actual, testbed.Currency))
	row("ledger", "%s", billing.FormatAmount(result.Billed, testbed.Currency))
	row("calls to Chargebee", "%d, at most %d in 60 s of %d", len(calls), chargebee.Busiest(calls, time.Minute), s.options.rate)
	row("429 for the site", "%d", s.Chargebee.RateLimited())
	row("events", "%d billed, %d held, %d left, %d for the next invoice", result.EventsBilled, result.EventsHeld, result.EventsLeft, result.EventsEarly)
	row("dead letters", "%d", dead)
	s.reportProcesses(row)

	for _, difference := range result.Differences[:min(len(result.Differences), maxDifferences)] {
		fmt.Fprintln(&b, "  !", difference)
	}
	if more := len(result.Differences) - maxDifferences; more > 0 {
		fmt.Fprintf(&b, "  ! and %d more\n", more)
	}
	if result.Reconciled() {
		b.WriteString("\nOK: billed == expected\n")
	} else {
		b.WriteString("\nMISMATCH: billed != expected\n")
		err = errMismatch
	}
	_, writeErr := io.WriteString(out, b.String())
	return errors.Join(err, writeErr)
}

// reportProcesses reports the CPU time of the processes that ended.
func (s *system) reportProcesses(row func(name, format string, args ...any)) {
	for _, p := range s.processes {
		p.mu.Lock()
		if p.cpu > 0 {
			row("CPU of "+p.name, "%.2f s", p.cpu.Seconds())
		}
		p.mu.Unlock()
	}
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil {
		row("CPU of the sandbox", "%.2f s", time.Duration(usage.Utime.Nano()+usage.Stime.Nano()).Seconds())
	}
	if killed := s.killed.Load(); killed > 0 || s.paused > 0 {
		row("chaos", "%d processes killed, %d paused", killed, s.paused)
	}
}
