// Command receiver takes Chargebee's webhooks and puts them into the queue.
package main

import (
	"context"
	"os"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/lifecycle"
	"github.com/billable-events/billable/pkg/receiver"
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, cancel := lifecycle.SignalContext(context.Background())
	defer cancel()
	return receiver.Main(ctx, cli.Process{
		Args:    os.Args[1:],
		Environ: os.Environ(),
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
	})
}
