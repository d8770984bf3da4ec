// Command sandbox runs the whole system on this machine: fakes of SQS, DynamoDB and Chargebee, the
// two real binaries, and webhooks as Chargebee sends them. At the end it compares what was billed
// with what the events add up to. Other services can replace the fakes of SQS and DynamoDB. With
// --keep it leaves everything running, and "sandbox invoice" adds pending invoices.
//
// It exits with 0 if billed == expected, with 1 if not, with 2 for a usage error.
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"time"

	"github.com/billable-events/billable/scripts/cli"
	"github.com/billable-events/billable/scripts/testbed"
)

type options struct {
	workload  testbed.Workload
	rate      int // requests per minute that the site allows
	receivers int
	consumers int
	faults    string
	kill      bool
	keep      bool
	binaries  string
	timeout   time.Duration
	sqs       string // URL of a service instead of the fake
	dynamodb  string // URL of a service instead of the fake
	prefix    string // of queues and tables
	directory string // of settings and logs
}

const title = "sandbox"

func main() { cli.Main(title, run) }

func parse(args []string, stderr io.Writer) (options, error) {
	// One subscription in ten has an event that belongs to the next invoice.
	o := options{workload: testbed.Workload{EarlyEvery: 10}}
	flags := flag.NewFlagSet(title, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.workload.Invoices, "invoices", 200, "pending invoices")
	flags.IntVar(&o.workload.Events, "events", 40, "billable events per invoice")
	flags.IntVar(&o.workload.Codes, "codes", 3, "charge codes per invoice")
	flags.IntVar(&o.rate, "rate", 3500, "requests per minute that the Chargebee site allows")
	flags.IntVar(&o.receivers, "receivers", 1, "receiver processes")
	flags.IntVar(&o.consumers, "consumers", 1, "consumer processes")
	flags.StringVar(&o.faults, "faults", "none", "faults of the fakes: none, light or heavy")
	flags.BoolVar(&o.kill, "kill", false, "kill and pause processes at random moments")
	flags.BoolVar(&o.keep, "keep", false, "leave everything running at the end, with pending invoices and dead letters to try the commands on")
	flags.Uint64Var(&o.workload.Seed, "seed", uint64(time.Now().UnixNano()), "seed of amounts, faults and kills")
	flags.StringVar(&o.binaries, "binaries", "bin", "directory of receiver and consumer")
	flags.DurationVar(&o.timeout, "limit", 10*time.Minute, "time limit of the work")
	flags.StringVar(&o.sqs, "sqs", "", "URL of another SQS than the fake, for example http://127.0.0.1:9324")
	flags.StringVar(&o.dynamodb, "dynamodb", "", "URL of another DynamoDB than the fake, for example http://127.0.0.1:4566")
	flags.StringVar(&o.prefix, "prefix", "billable", "prefix of the names of queues and tables; existing ones are used")
	flags.StringVar(&o.directory, "directory", ".sandbox", "directory of settings, logs and webhook bodies")
	if err := cli.Parse(flags, args); err != nil {
		return o, err
	}
	if _, ok := faultRates[o.faults]; !ok {
		return o, cli.Usagef(title, stderr, "--faults is none, light or heavy, not %q", o.faults)
	}
	if min(o.workload.Invoices, o.workload.Codes, o.rate, o.receivers, o.consumers) < 1 || o.workload.Events < 0 {
		return o, cli.Usagef(title, stderr, "counts are at least 1, events at least 0")
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "invoice" {
		return runInvoice(ctx, args[1:], stdout, stderr)
	}
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	s, err := newSandbox(o, stderr)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.prepare(ctx); err != nil {
		return err
	}
	defer func() { _ = s.stop() }()
	if err := s.start(ctx); err != nil {
		return err
	}
	env, err := s.writeEnv()
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(env) }()
	started := time.Now()
	finished := s.work(ctx)
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	took := time.Since(started)
	if o.keep {
		return errors.Join(s.report(ctx, stdout, took), finished, s.keep(ctx, stdout))
	}
	stopped := s.stop()
	return errors.Join(s.report(ctx, stdout, took), finished, stopped)
}
