package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/scripts/testbed"
)

const shownDifferences = 20

var errBooks = errors.New("the books differ")

// report prints the account. It returns errBooks if the books differ.
func (w *world) report(ctx context.Context, out io.Writer, f *fleet, took time.Duration) error {
	account, err := w.Account(ctx)
	if err != nil {
		return err
	}
	_, dead, err := w.Queued(ctx)
	if err != nil {
		return err
	}
	deliveries := w.Chargebee.Deliveries()
	calls := w.Chargebee.Calls()
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-22s %s\n", name, fmt.Sprintf(format, args...))
	}

	fmt.Fprintf(&b, "\n%d invoices of %d events, faults %s, seed %d\n", w.options.invoices, w.options.events, w.options.faults, w.options.seed)
	row("time", "%.1f s, %.1f invoices/s", took.Seconds(), float64(account.Closed)/took.Seconds())
	row("webhooks answered 2xx", "%d of %d, in %d deliveries", deliveries.Events[chargebee.WebhookSucceeded], w.options.invoices, sum(deliveries.Attempts))
	row("invoices closed", "%d of %d", account.Closed, account.Invoices)
	row("lines added", "%d", account.Charges)
	row("owed", "%s", money(account.Expected))
	row("billed", "%s", money(account.Actual))
	row("ledger", "%s", money(account.Billed))
	row("calls to Chargebee", "%d, at most %d in 60 s of %d", len(calls), chargebee.Busiest(calls, time.Minute), w.options.rate)
	row("429 for the site", "%d", w.Chargebee.RateLimited())
	row("events", "%d billed, %d held, %d left, %d for the next invoice", account.EventsBilled, account.EventsHeld, account.EventsLeft, account.EventsEarly)
	row("dead letters", "%d", dead)
	f.describe(row)

	for _, difference := range account.Differences[:min(len(account.Differences), shownDifferences)] {
		fmt.Fprintln(&b, "  !", difference)
	}
	if more := len(account.Differences) - shownDifferences; more > 0 {
		fmt.Fprintf(&b, "  ! and %d more\n", more)
	}
	if account.Reconciled() {
		fmt.Fprintln(&b, "\nThe books are equal.")
	} else {
		fmt.Fprintln(&b, "\nTHE BOOKS DIFFER.")
		err = errBooks
	}
	_, writeErr := io.WriteString(out, b.String())
	return errors.Join(err, writeErr)
}

// describe tells what the processes used, as far as they have ended.
func (f *fleet) describe(row func(name, format string, args ...any)) {
	killed := 0
	number := map[string]int{}
	for _, p := range f.processes {
		p.mu.Lock()
		number[p.name]++
		if p.cpu > 0 {
			row(fmt.Sprintf("CPU of %s %d", p.name, number[p.name]), "%.2f s", p.cpu.Seconds())
		}
		killed += p.killed
		p.mu.Unlock()
	}
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil {
		row("CPU of the sandbox", "%.2f s", time.Duration(usage.Utime.Nano()+usage.Stime.Nano()).Seconds())
	}
	if paused := f.paused.Load(); killed > 0 || paused > 0 {
		row("havoc", "%d processes killed, %d paused", killed, paused)
	}
}

func sum(counts map[int]int) int {
	total := 0
	for _, count := range counts {
		total += count
	}
	return total
}

// money writes minor units of the currency.
func money(minor int64) string {
	return fmt.Sprintf("%s %d.%02d", testbed.Currency, minor/100, minor%100)
}

// keep prints how to reach everything, writes it as a file for the shell, and waits
// until it is interrupted.
func (w *world) keep(ctx context.Context, out io.Writer, f *fleet) error {
	file := filepath.Join(".sandbox", "env")
	var b strings.Builder
	for _, variable := range append(w.consumerEnvironment(), "BILLABLE_ADMIN_ADDR=127.0.0.1:0") {
		name, value, _ := strings.Cut(variable, "=")
		fmt.Fprintf(&b, "export %s='%s'\n", name, value)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		return err
	}
	command := filepath.Join(w.options.binaries, "consumer")
	_, err := fmt.Fprintf(out, `
Everything is left running until you press Ctrl-C.

  receiver    %s/webhooks/chargebee  (user %s, password %s)
  SQS         %s
  DynamoDB    %s
  Chargebee   %s  (API key %s)
  queue       %s
  dead        %s

  source %s    # settings of the commands
  %s dlq list
  %s invoice show %s
  curl -u %s:%s -H 'Content-Type: application/json' -d '{"event_type":"customer_created"}' %s/webhooks/chargebee
  curl -H "Authorization: Basic $(printf %s | base64)" '%s/api/v2/invoices?limit=1'
`, f.receivers[0], username, password, w.SQSURL, w.DynamoDBURL, w.ChargebeeURL, testbed.APIKey, w.QueueURL, w.DeadURL,
		file, command, command, w.Chargebee.Invoices()[0].ID,
		username, password, f.receivers[0], testbed.APIKey, w.ChargebeeURL)
	if err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
