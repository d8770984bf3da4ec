// Command chargebee runs the fake of Chargebee by itself, for a receiver, a consumer, an SQS
// and a DynamoDB that run elsewhere. It creates the queues, writes billable events, renews
// their subscriptions, delivers the webhooks, and prints when everything is billed and
// reconciled. Then it keeps serving. The tables must exist.
//
// Exit codes: 0 when it is interrupted, 1 on failure, 2 for wrong usage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/scripts/cli"
	"github.com/billable-events/billable/scripts/testbed"
)

const (
	pollInterval = time.Second
	// retryScale makes Chargebee's first retry, after 2 minutes, come after 2 s.
	retryScale = 1.0 / 60
)

const title = "chargebee"

// options are the addresses of the services, and what there is to bill.
type options struct {
	listen, sqs, dynamodb string
	webhook               chargebee.Endpoint
	renewals              testbed.Workload
}

func main() { cli.Main(title, run) }

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{
		webhook:  chargebee.Endpoint{RetryScale: retryScale},
		renewals: testbed.Workload{Invoices: 20, Events: 40, Codes: 3, Seed: uint64(time.Now().UnixNano())},
	}
	flags := flag.NewFlagSet(title, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.listen, "listen", "127.0.0.1:9333", "where the API is served")
	flags.StringVar(&o.sqs, "sqs", "", "URL of the SQS; required")
	flags.StringVar(&o.dynamodb, "dynamodb", "", "URL of the DynamoDB; required")
	flags.StringVar(&o.webhook.URL, "webhook", "", "URL that webhooks are sent to; required")
	flags.StringVar(&o.webhook.Username, "username", "", "user name of the webhooks")
	flags.StringVar(&o.webhook.Password, "password", "", "password of the webhooks")
	if err := cli.Parse(flags, args); err != nil {
		return o, err
	}
	if o.sqs == "" || o.dynamodb == "" || o.webhook.URL == "" {
		return o, cli.Usagef(title, stderr, "--sqs, --dynamodb and --webhook are required")
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	world, err := testbed.New(testbed.Options{
		Chargebee:        chargebee.Config{Seed: o.renewals.Seed, RequestsPerMinute: 1000, KeepDate: true, Latency: 20 * time.Millisecond},
		ChargebeeAddress: o.listen,
		SQSURL:           o.sqs,
		DynamoDBURL:      o.dynamodb,
	})
	if err != nil {
		return err
	}
	defer world.Close()
	if err := world.CreateQueues(ctx); err != nil {
		return err
	}
	if _, err := world.Fill(ctx, o.renewals); err != nil {
		return err
	}
	return deliver(ctx, world, o, stdout)
}

// deliver sends the webhooks until ctx ends, and prints the progress.
func deliver(ctx context.Context, world *testbed.Env, o options, stdout io.Writer) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return world.Chargebee.Deliver(ctx, o.webhook) })
	group.Go(func() error { return printProgress(ctx, world, o.renewals.Invoices, stdout) })
	err := group.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return err
}

// printProgress prints how many invoices are closed, until all of them are reconciled.
func printProgress(ctx context.Context, world *testbed.Env, invoices int, stdout io.Writer) error {
	closed := -1
	return testbed.Poll(ctx, pollInterval, func() (bool, error) {
		result, err := world.Reconcile(ctx)
		if err != nil {
			return false, err
		}
		if result.Closed != closed {
			closed = result.Closed
			_, _ = fmt.Fprintf(stdout, "%d of %d invoices closed\n", closed, invoices)
		}
		// An invoice is closed before its events are marked as billed.
		if closed < invoices || !result.Reconciled() || result.EventsHeld > 0 {
			return false, nil
		}
		_, _ = fmt.Fprintf(stdout, "%d events billed, %s. OK: billed == expected\n", result.EventsBilled, billing.FormatAmount(result.Actual, testbed.Currency))
		return true, nil
	})
}
