// Command sandbox runs the whole system on this machine: stand-ins for SQS, DynamoDB
// and Chargebee, the two real binaries against them, webhooks as Chargebee sends
// them, and at the end an account of what was billed against what was owed. Other
// services can take the place of the stand-ins for SQS and DynamoDB.
//
// It exits with 0 if the books are equal, with 1 if they are not, with 2 if it was
// called wrongly.
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"time"

	"github.com/billable-events/billable/scripts/cli"
)

// options is what the run is like.
type options struct {
	invoices  int
	events    int // per invoice
	codes     int // charge codes per invoice
	rate      int // requests per minute that the site allows
	receivers int
	consumers int
	faults    string
	kill      bool
	keep      bool
	seed      uint64
	binaries  string
	limit     time.Duration
	sqs       string // URL of a service in place of the stand-in
	dynamodb  string // URL of a service in place of the stand-in
	prefix    string // of queues and tables
}

const title = "sandbox"

func main() { cli.Main(title, run) }

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet(title, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.invoices, "invoices", 200, "pending invoices")
	flags.IntVar(&o.events, "events", 40, "billable events per invoice")
	flags.IntVar(&o.codes, "codes", 3, "charge codes per invoice")
	flags.IntVar(&o.rate, "rate", 3500, "requests per minute that the Chargebee site allows")
	flags.IntVar(&o.receivers, "receivers", 1, "receiver processes")
	flags.IntVar(&o.consumers, "consumers", 1, "consumer processes")
	flags.StringVar(&o.faults, "faults", "none", "faults of the stand-ins: none, light or heavy")
	flags.BoolVar(&o.kill, "kill", false, "kill and pause processes at random moments")
	flags.BoolVar(&o.keep, "keep", false, "leave everything running at the end, and print addresses and credentials")
	flags.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "seed of amounts, faults and kills")
	flags.StringVar(&o.binaries, "binaries", "bin", "directory of the two binaries")
	flags.DurationVar(&o.limit, "limit", 10*time.Minute, "longest time for the work")
	flags.StringVar(&o.sqs, "sqs", "", "URL of another SQS than the stand-in, e.g. http://127.0.0.1:9324")
	flags.StringVar(&o.dynamodb, "dynamodb", "", "URL of another DynamoDB than the stand-in, e.g. http://127.0.0.1:4566")
	flags.StringVar(&o.prefix, "prefix", "billable", "what the names of queues and tables begin with; those that exist are used")
	if err := cli.Parse(flags, args); err != nil {
		return o, err
	}
	_, known := faultRates[o.faults]
	switch {
	case flags.NArg() > 0:
		return o, cli.Complain(title, stderr, "unexpected argument %q", flags.Arg(0))
	case !known:
		return o, cli.Complain(title, stderr, "--faults is none, light or heavy, not %q", o.faults)
	case o.invoices < 1 || o.events < 0 || o.codes < 1 || o.rate < 1 || o.receivers < 1 || o.consumers < 1:
		return o, cli.Complain(title, stderr, "counts are at least 1, events at least 0")
	}
	return o, nil
}

// run does one run, step by step.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	world, err := newWorld(o)
	if err != nil {
		return err
	}
	defer world.Close()
	if err := world.prepare(ctx); err != nil {
		return err
	}
	fleet, err := startFleet(ctx, o, world)
	if err != nil {
		return err
	}
	defer func() { _ = fleet.stop() }() // a second stop returns what the first did

	started := time.Now()
	finished := world.work(ctx, fleet, stderr)
	took := time.Since(started)
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if o.keep {
		if err := errors.Join(world.report(ctx, stdout, fleet, took), world.keep(ctx, stdout, fleet)); err != nil {
			return err
		}
		return finished
	}
	stopped := fleet.stop()
	return errors.Join(world.report(ctx, stdout, fleet, took), finished, stopped)
}
