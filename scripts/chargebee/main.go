// Command chargebee runs the fake of Chargebee by itself, for a receiver, a consumer, an SQS
// and a DynamoDB that run elsewhere. It creates the queues, writes billable events, renews
// their subscriptions, delivers the webhooks, and prints when everything is billed and
// reconciled. Then it keeps serving. The tables must exist.
//
// Exit codes: 0 when it is interrupted, 1 on failure, 2 for wrong usage.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/scripts/cli"
	"github.com/billable-events/billable/scripts/testbed"
)

const (
	pollInterval = time.Second
	// retryScale makes Chargebee's first retry, after 2 minutes, come after 2 s.
	retryScale = 1.0 / 60
	// requestsPerMinute is the limit of the site.
	requestsPerMinute = 1000
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
		Chargebee:        chargebee.Config{Seed: o.renewals.Seed, RequestsPerMinute: requestsPerMinute, KeepDate: true, Latency: 20 * time.Millisecond},
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
	var delivering sync.WaitGroup
	defer delivering.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	delivering.Go(func() { ended <- world.Chargebee.Deliver(ctx, o.webhook) })

	for closed, reconciled := -1, false; ; {
		select {
		case err := <-ended:
			return err // none if ctx ended
		case <-time.After(pollInterval):
		}
		if reconciled {
			continue
		}
		account, err := world.Reconcile(ctx)
		if err != nil {
			if ctx.Err() != nil {
				continue
			}
			return err
		}
		if account.Closed != closed {
			closed = account.Closed
			_, _ = fmt.Fprintf(stdout, "%d of %d invoices closed\n", closed, o.renewals.Invoices)
		}
		// An invoice is closed before its events are marked as billed.
		if reconciled = closed == o.renewals.Invoices && account.Reconciled() && account.EventsHeld == 0; reconciled {
			_, _ = fmt.Fprintf(stdout, "%d events billed, %s. OK: billed == expected\n", account.EventsBilled, billing.FormatAmount(account.Actual, testbed.Currency))
		}
	}
}
