// Command bench measures the real binaries on this machine, against stand-ins on
// loopback, and records what it measured.
//
//	bench receiver [--quick]                what the receiver takes, costs and survives
//	bench consumer [--quick] [--profile]    invoices per second, CPU and calls per invoice
//	bench ratelimit [--quick] [--only a,c]  how much of a site's limit consumers use together
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/billable-events/billable/scripts/bench/ladder"
	"github.com/billable-events/billable/scripts/bench/load"
	"github.com/billable-events/billable/scripts/bench/receiver"
	"github.com/billable-events/billable/scripts/bench/standin"
	"github.com/billable-events/billable/scripts/cli"
)

// streams are the standard ones.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	cli.Main("bench", func(ctx context.Context, args []string, stdout, stderr io.Writer) error {
		return run(ctx, args, streams{os.Stdin, stdout, stderr})
	})
}

func run(ctx context.Context, args []string, std streams) error {
	if len(args) == 0 {
		return cli.Usagef("bench", std.err, "say what to measure: receiver, consumer or ratelimit")
	}
	switch name, args := args[0], args[1:]; name {
	case "receiver":
		return benchReceiver(ctx, args, std)
	case "consumer":
		return benchConsumer(ctx, args, std)
	case "ratelimit":
		return benchRateLimit(ctx, args, std)
	case scenarioCommand:
		return serveScenario(ctx, std)
	case receiver.StandInCommand:
		return standin.Serve(ctx, std.in, std.out, standin.Config{Genuine: load.Genuine})
	case receiver.LoadCommand:
		return load.Serve(std.in, std.out)
	case receiver.RungCommand:
		return ladder.Serve(ctx, args)
	default:
		return cli.Usagef("bench", std.err, "%q is nothing to measure: receiver, consumer and ratelimit are", name)
	}
}

func benchReceiver(ctx context.Context, args []string, std streams) error {
	var options receiver.Options
	flags := flag.NewFlagSet("receiver", flag.ContinueOnError)
	flags.SetOutput(std.err)
	options.Flags(flags)
	switch err := cli.Parse(flags, args); {
	case err != nil:
		return err
	case flags.NArg() > 0:
		return cli.Usagef("bench", std.err, "unexpected argument %q", flags.Arg(0))
	}
	return options.Run(ctx, std.out, std.err)
}

// scenarioCommand makes this program the stand-ins of one scenario, in a process of
// its own: no scenario inherits a heap from another one.
const scenarioCommand = "scenario"

// serveScenario runs the scenario that it reads and writes its result.
func serveScenario(ctx context.Context, std streams) error {
	var s scenario
	if err := json.NewDecoder(std.in).Decode(&s); err != nil {
		return fmt.Errorf("read the scenario: %w", err)
	}
	result, err := s.run(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(std.out).Encode(result)
}
