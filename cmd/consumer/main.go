// Command consumer bills pending Chargebee invoices and operates their dead letters
// and ledger.
package main

import (
	"context"
	"os"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/commands"
	"github.com/billable-events/billable/pkg/lifecycle"
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, cancel := lifecycle.SignalContext(context.Background())
	defer cancel()
	return commands.Main(ctx, cli.Process{
		Args:    os.Args[1:],
		Environ: os.Environ(),
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
	})
}
