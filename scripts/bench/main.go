// Command bench measures the real binaries on this machine, against fakes on loopback, and records
// the results in bench/.
//
//	bench receiver [--quick] [--only burst,limit]  what the receiver takes, costs and survives
//	bench consumer [--quick] [--profile DIR]       invoices per second, CPU and calls per invoice
//	bench ratelimit [--quick] [--only a,c]         how much of a site's limit consumers use together
//
// The system under test, the fakes and the load generator are separate processes, so that the CPU of
// each is known. bench starts itself for the latter two, see child.
package main

import (
	"context"
	"flag"
	"io"
	"slices"
	"strings"

	"github.com/billable-events/billable/scripts/cli"
)

const title = "bench"

type options struct {
	quick    bool
	only     string
	profile  string
	binaries string
	reports  string

	out, progress io.Writer
}

func main() { cli.Main(title, run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return cli.Usagef(title, stderr, "give what to measure: receiver, consumer or ratelimit")
	}
	command, args := args[0], args[1:]
	switch command {
	case queueCommand:
		return serveChild(ctx, &fakeQueue{ctx: ctx})
	case loadCommand:
		return serveChild(ctx, &generator{})
	case scenarioCommand:
		return serveChild(ctx, &scenarioRunner{ctx: ctx})
	case baselineCommand:
		return serveBaseline(ctx, args)
	}
	bench, ok := map[string]func(context.Context, options) error{
		"receiver": benchReceiver, "consumer": benchConsumer, "ratelimit": benchRateLimit,
	}[command]
	if !ok {
		return cli.Usagef(title, stderr, "unknown benchmark %q: use receiver, consumer or ratelimit", command)
	}
	o := options{out: stdout, progress: stderr}
	flags := flag.NewFlagSet(title+" "+command, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.quick, "quick", false, "measure less of each, and record nothing")
	flags.StringVar(&o.binaries, "binaries", "bin", "directory of the binaries")
	flags.StringVar(&o.reports, "reports", "bench", "directory of the records and reports")
	if command == "consumer" {
		flags.StringVar(&o.profile, "profile", "", "directory for profiles of the main scenario")
	} else {
		flags.StringVar(&o.only, "only", "", "names of scenarios, separated by commas, which are not recorded")
	}
	if err := cli.Parse(flags, args); err != nil {
		return err
	}
	return bench(ctx, o)
}

// wants reports whether a scenario is measured.
func (o options) wants(name string) bool {
	return o.only == "" || slices.Contains(strings.Split(o.only, ","), name)
}
