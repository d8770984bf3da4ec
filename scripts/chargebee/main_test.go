package main

import (
	"context"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	product "github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/commands"
	"github.com/billable-events/billable/pkg/receiver"
	"github.com/billable-events/billable/scripts/cli"
	"github.com/billable-events/billable/scripts/testbed"
)

// TestRun: both programs do their job for it, with queues that it made.
func TestRun(t *testing.T) {
	world, err := testbed.New(testbed.Options{}) // its Chargebee is not used
	if err != nil {
		t.Fatal(err)
	}
	defer world.Close()
	var addresses [4]string
	for i := range addresses {
		if addresses[i], err = testbed.FreeAddress(); err != nil {
			t.Fatal(err)
		}
	}
	webhooks, admin, consumerAdmin, site := addresses[0], addresses[1], addresses[2], addresses[3]
	for _, variable := range append(world.AWSEnviron(), "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull) {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	common := []string{
		"BILLABLE_QUEUE_URL=" + world.SQSURL + "/000000000000/" + testbed.QueueName,
		"BILLABLE_LOG_LEVEL=error",
	}
	ofReceiver := slices.Concat(common, []string{"BILLABLE_HTTP_ADDR=" + webhooks, "BILLABLE_ADMIN_ADDR=" + admin, "BILLABLE_HTTP_SHUTDOWN_DELAY=1s",
		"BILLABLE_AUTH_USERNAME=user", "BILLABLE_AUTH_PASSWORD=password"})
	ofConsumer := slices.Concat(common, []string{"BILLABLE_ADMIN_ADDR=" + consumerAdmin, "BILLABLE_QUEUE_DEAD_LETTER_URL=" + world.SQSURL + "/000000000000/" + testbed.DeadLetterName,
		"BILLABLE_CHARGEBEE_BASE_URL=http://" + site, "BILLABLE_CHARGEBEE_API_KEY=" + testbed.APIKey, "BILLABLE_CHARGEBEE_REQUESTS_PER_MINUTE=1000"})

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if code := commands.Main(ctx, product.Process{Args: []string{"tables", "create"}, Environ: ofConsumer, Stdout: io.Discard, Stderr: os.Stderr}); code != 0 {
		t.Fatalf("tables create: exit code %d", code)
	}
	var programs sync.WaitGroup
	defer programs.Wait()
	programs.Go(func() {
		if code := receiver.Main(ctx, product.Process{Environ: ofReceiver, Stdout: io.Discard, Stderr: os.Stderr}); code != 0 {
			t.Errorf("receiver: exit code %d", code)
		}
	})
	programs.Go(func() {
		if code := commands.Main(ctx, product.Process{Environ: ofConsumer, Stdout: io.Discard, Stderr: os.Stderr}); code != 0 {
			t.Errorf("consumer: exit code %d", code)
		}
	})

	ended := &until{text: "OK: billed == expected", then: cancel}
	err = run(ctx, []string{
		"--listen", site, "--sqs", world.SQSURL, "--dynamodb", world.DynamoDBURL, "--webhook", "http://" + webhooks + "/webhooks/chargebee",
		"--username", "user", "--password", "password",
	}, ended, os.Stderr)
	if err != nil || !strings.Contains(ended.all, "20 of 20 invoices closed\n800 events billed, ") {
		t.Errorf("%v\n%s", err, ended.all)
	}
}

// until does something once a text was written.
type until struct {
	all, text string
	then      func()
}

func (u *until) Write(written []byte) (int, error) {
	u.all += string(written)
	if strings.Contains(u.all, u.text) {
		u.then()
	}
	return len(written), nil
}

func TestUsage(t *testing.T) {
	t.Parallel()
	const needed = "--sqs http://s --dynamodb http://d --webhook http://w "
	for args, want := range map[string]string{
		"":                            "are required",
		needed + "more":               `unexpected argument "more"`,
		needed + "--bogus":            "flag provided but not defined",
		"--sqs http://s --webhook /w": "are required",
	} {
		var stderr strings.Builder
		err := run(t.Context(), strings.Fields(args), io.Discard, &stderr)
		if cli.ExitCode(title, err, &stderr) != 2 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%q: %v\n%s\nwant %s", args, err, &stderr, want)
		}
	}
	if code := cli.ExitCode(title, run(t.Context(), []string{"--help"}, io.Discard, io.Discard), io.Discard); code != 0 {
		t.Errorf("--help: exit code %d", code)
	}
}
