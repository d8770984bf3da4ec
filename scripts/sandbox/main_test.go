package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
	"github.com/billable-events/billable/scripts/cli"
	"github.com/billable-events/billable/scripts/testbed"
	"github.com/billable-events/billable/scripts/testbed/programs"
)

func TestMain(m *testing.M) {
	programs.RunIfCalled()
	if filepath.Base(os.Args[0]) == title {
		main()
	}
	os.Exit(m.Run())
}

// TestRun_BillsWhatIsExpected runs both programs as processes, with and without faults.
func TestRun_BillsWhatIsExpected(t *testing.T) {
	t.Parallel()
	binaries := programs.Directory(t)
	elsewhere := func(service http.Handler) string {
		server := httptest.NewServer(service)
		t.Cleanup(server.Close)
		return server.URL
	}
	for _, test := range []struct{ name, args string }{
		{"heavy faults", "--invoices 25 --events 12 --receivers 2 --consumers 2 --faults heavy --kill --seed 7"}, // the longest one first
		{"no faults", "--invoices 25 --events 12 --receivers 2"},
		{"other services", "--invoices 25 --events 12 --prefix other --sqs " + elsewhere(sqs.New(sqs.Config{})) +
			" --dynamodb " + elsewhere(dynamodb.New(dynamodb.Config{}))},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			directory := t.TempDir()
			err := run(t.Context(), append(strings.Fields(test.args), "--binaries", binaries, "--directory", directory, "--limit", "3m"), &stdout, &stderr)
			if err != nil {
				t.Errorf("%v\n%s%s", err, stdout.String(), stderr.String())
			}
			killed := strings.Contains(stdout.String(), "processes killed")
			if restarted := strings.Contains(stderr.String(), "was killed and is started again"); restarted != killed {
				t.Errorf("processes were killed: %t, shown: %t\n%s", killed, restarted, stderr.String())
			}
			if log, err := os.ReadFile(filepath.Join(directory, "consumer-1.log")); err != nil || !bytes.Contains(log, []byte("message handled")) {
				t.Errorf("%v: the log is %s", err, log)
			}
			for _, want := range []string{
				"webhooks answered 2xx  25 of 25", "invoices closed        25 of 25", "300 billed, 0 held, 0 left, 3 for the next invoice",
				"dead letters           0", "429 for the site       0", "CPU of consumer", "OK: billed == expected",
			} {
				if !strings.Contains(stdout.String(), want) {
					t.Errorf("the report lacks %q:\n%s", want, stdout.String())
				}
			}
			amounts := regexp.MustCompile(`(?m)^  (?:expected|billed|ledger) +(EUR [0-9]+\.[0-9]{2})$`).FindAllStringSubmatch(stdout.String(), -1)
			if len(amounts) != 3 || amounts[0][1] != amounts[1][1] || amounts[1][1] != amounts[2][1] {
				t.Errorf("the amounts are %v", amounts)
			}
		})
	}
}

func TestRun_Usage(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"--invoices 0", "--faults some", "--bogus", "now", "--events x", "invoice --bogus", "invoice now"} {
		var stderr bytes.Buffer
		if err := run(t.Context(), strings.Fields(args), io.Discard, &stderr); !errors.Is(err, cli.ErrUsage) || stderr.Len() == 0 {
			t.Errorf("%s: %v %s", args, err, stderr.String())
		}
	}
}

// TestSupervise starts a program that ends, and ends again once it serves.
func TestSupervise(t *testing.T) {
	t.Parallel()
	const script = `if mkdir "$0" 2>/dev/null; then exit 3; fi; trap 'exit 0' TERM; while :; do sleep 0.1; done`
	p := &process{name: "consumer 1", log: "consumer-1.log", command: testbed.Command{Binary: "/bin/sh", Args: []string{"-c", script, filepath.Join(t.TempDir(), "started")}}}
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var output screen
	ended := make(chan error)
	go func() { ended <- (&system{screen: &output, started: time.Now()}).supervise(ctx, p) }()
	const want = "consumer 1 exited by itself with code 3; its log is consumer-1.log"
	eventually(t, step{"supervise", "0.0 s " + want + "; it is started again"}, output.String)
	cancel()
	if err := <-ended; err == nil || err.Error() != want {
		t.Errorf("the error is %v", err)
	}
}

// TestShortTimes_AreValid compares the short times with the rules of the settings and the delays of
// the fakes.
func TestShortTimes_AreValid(t *testing.T) {
	t.Parallel()
	longest := faultRates["heavy"].chargebee.MaxDelay + faultRates["heavy"].chargebee.MaxLate
	if longest >= maxEffectDelay {
		t.Errorf("an effect can come after %s, max_effect_delay is %s", longest, maxEffectDelay)
	}
	if idempotencyWindow <= 3*maxEffectDelay+2*maxSkew || lease < 2*callTimeout || maxEffectDelay < callTimeout {
		t.Error("the consumer refuses these times")
	}
	if visibilityTimeout < 3*time.Second {
		t.Error("the visibility is too short")
	}
}
