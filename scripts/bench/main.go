// Command bench measures the real binaries on this machine, against fakes on loopback, and records
// the results in bench/.
//
//	bench receiver [--quick] [--only burst,limit]  what the receiver takes, costs and survives
//	bench consumer [--quick] [--profile DIR]       invoices per second, CPU and calls per invoice
//	bench ratelimit [--quick] [--only a,c]         how much of a site's limit consumers use together
//
// The system under test and the load generator are processes of their own. This process has the fakes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/billable-events/billable/scripts/cli"
)

const title = "bench"

// gcPercent makes fakes and load generator collect garbage less often: they share the cores with the system
// under test, and have enough memory.
const gcPercent = 400

type options struct {
	quick    bool
	only     string
	profile  string
	binaries string
	reports  string

	out, progress io.Writer
}

// benchmark is one of the benchmarks.
type benchmark struct {
	report  *report
	measure func(context.Context, options, *report) error
}

func main() { cli.Main(title, run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return cli.Usagef(title, stderr, "give what to measure: receiver, consumer or ratelimit")
	}
	command, args := args[0], args[1:]
	if command == baselineCommand {
		return serveBaseline(args)
	}
	debug.SetGCPercent(gcPercent)
	if command == loadCommand {
		return generateLoad(args, stdout)
	}
	b, ok := map[string]benchmark{
		"receiver":  {newReceiverReport(), benchReceiver},
		"consumer":  {newConsumerReport(), benchConsumer},
		"ratelimit": {newRateLimitReport(), benchRateLimit},
	}[command]
	if !ok {
		return cli.Usagef(title, stderr, "unknown benchmark %q: use receiver, consumer or ratelimit", command)
	}
	o := options{binaries: "bin", reports: "bench", out: stdout, progress: stderr}
	flags := flag.NewFlagSet(title+" "+command, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.quick, "quick", false, "measure less of each, and record nothing")
	if command == "consumer" {
		flags.StringVar(&o.profile, "profile", "", "directory for profiles of the main scenario")
	} else {
		flags.StringVar(&o.only, "only", "", "names of scenarios, separated by commas, which are not recorded")
	}
	if err := cli.Parse(flags, args); err != nil {
		return err
	}
	return b.run(ctx, o)
}

// run measures. A failed or partial run is printed and not recorded.
func (b benchmark) run(ctx context.Context, o options) (err error) {
	b.report.progress = o.progress
	if b.report.run, err = newRun(ctx); err != nil {
		return err
	}
	if err = errors.Join(b.measure(ctx, o, b.report), b.report.failed); err != nil {
		err = fmt.Errorf("the run is not recorded: %w", err)
	}
	return errors.Join(err, b.report.finish(o, err == nil && !o.quick && o.only == ""))
}

// wants reports whether a scenario is measured.
func (o options) wants(name string) bool {
	return o.only == "" || slices.Contains(strings.Split(o.only, ","), name)
}
