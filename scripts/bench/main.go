// Command bench measures the real binaries on this machine, against stand-ins on
// loopback, and records what it measured.
//
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
		return usageError(std, "say what to measure: consumer or budget")
	}
	switch name, args := args[0], args[1:]; name {
	case "consumer":
		return benchConsumer(ctx, args, std)
	case "budget":
		return benchBudget(ctx, args, std)
	case scenarioCommand:
		return serveScenario(ctx, std)
	default:
		return usageError(std, fmt.Sprintf("%q is nothing to measure: consumer and budget are", name))
	}
}

func usageError(std streams, problem string) error {
	_, _ = fmt.Fprintln(std.err, "bench:", problem)
	return errUsage
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
