// Command bench measures the real binaries on this machine, against stand-ins on
// loopback, and records what it measured.
//
//	bench receiver [--quick]                what the receiver takes, costs and survives
//	bench consumer [--quick] [--profile]    invoices per second, CPU and calls per invoice
//	bench budget [--quick]                  how much of a site's budget consumers use together
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/billable-events/billable/scripts/bench/ladder"
	"github.com/billable-events/billable/scripts/bench/load"
	"github.com/billable-events/billable/scripts/bench/receiver"
	"github.com/billable-events/billable/scripts/bench/standin"
)

var errUsage = errors.New("wrong usage")

// streams are the standard ones.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	cancel()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, std streams) error {
	if len(args) == 0 {
		return usageError(std, "say what to measure: receiver, consumer or budget")
	}
	switch name, args := args[0], args[1:]; name {
	case "receiver":
		return benchReceiver(ctx, args, std)
	case "consumer":
		return benchConsumer(ctx, args, std)
	case "budget":
		return benchBudget(ctx, args, std)
	case scenarioCommand:
		return serveScenario(ctx, std)
	case receiver.StandInCommand:
		return standin.Serve(ctx, std.in, std.out, standin.Config{Genuine: load.Genuine})
	case receiver.LoadCommand:
		return load.Serve(std.in, std.out)
	case receiver.RungCommand:
		return ladder.Serve(ctx, args)
	default:
		return usageError(std, fmt.Sprintf("%q is nothing to measure: receiver, consumer and budget are", name))
	}
}

func usageError(std streams, problem string) error {
	_, _ = fmt.Fprintln(std.err, "bench:", problem)
	return errUsage
}

func benchReceiver(ctx context.Context, args []string, std streams) error {
	var options receiver.Options
	flags := flag.NewFlagSet("receiver", flag.ContinueOnError)
	flags.SetOutput(std.err)
	options.Flags(flags)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return errUsage // it was said what is wrong
	case flags.NArg() > 0:
		return usageError(std, fmt.Sprintf("unexpected argument %q", flags.Arg(0)))
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
