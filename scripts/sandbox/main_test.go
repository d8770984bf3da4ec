package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
	"github.com/billable-events/billable/scripts/cli"
	"github.com/billable-events/billable/scripts/testbed/programs"
)

func TestMain(m *testing.M) {
	programs.RunIfCalled()
	os.Exit(m.Run())
}

// TestRun_BillsWhatIsExpected runs both programs as processes, with and without faults.
func TestRun_BillsWhatIsExpected(t *testing.T) {
	binaries := programs.Directory(t)
	elsewhere := func(service http.Handler) string {
		server := httptest.NewServer(service)
		t.Cleanup(server.Close)
		return server.URL
	}
	for name, args := range map[string]string{
		"other services": "--invoices 25 --events 12 --prefix other --sqs " + elsewhere(sqs.New(sqs.Config{})) +
			" --dynamodb " + elsewhere(dynamodb.New(dynamodb.Config{})),
		"no faults":    "--invoices 25 --events 12 --receivers 2",
		"heavy faults": "--invoices 25 --events 12 --receivers 2 --consumers 2 --faults heavy --kill --seed 7",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			err := run(t.Context(), append(strings.Fields(args), "--binaries", binaries, "--limit", "3m"), &stdout, &stderr)
			if err != nil {
				t.Errorf("%v\n%s%s", err, stdout.String(), stderr.String())
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
	for _, args := range []string{"--invoices 0", "--faults some", "--bogus", "now", "--events x"} {
		var stderr bytes.Buffer
		if err := run(t.Context(), strings.Fields(args), io.Discard, &stderr); !errors.Is(err, cli.ErrUsage) || stderr.Len() == 0 {
			t.Errorf("%s: %v %s", args, err, stderr.String())
		}
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
