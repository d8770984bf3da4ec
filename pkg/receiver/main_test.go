package receiver_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/lifecycle"
	"github.com/billable-events/billable/pkg/receiver"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// asBinary makes the test binary the receiver itself.
const asBinary = "RECEIVER_TEST_AS_BINARY"

// The AWS SDK reads its endpoint from the process's environment, so all tests share
// one fake, and use queues of their own. Calls for a queue whose name contains
// "down" fail.
var queues *sqs.Service

func TestMain(m *testing.M) {
	if os.Getenv(asBinary) != "" {
		ctx, cancel := lifecycle.SignalContext(context.Background())
		code := receiver.Main(ctx, cli.Process{Args: os.Args[1:], Environ: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr})
		cancel()
		os.Exit(code)
	}
	queues = sqs.New(sqs.Config{Faults: sandbox.FaultFunc(faultFor)})
	server := httptest.NewServer(queues)
	for name, value := range map[string]string{
		"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_ENDPOINT_URL_SQS": server.URL, "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	server.Close()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// run calls the receiver with arguments that let it end by itself.
func run(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = receiver.Main(t.Context(), cli.Process{Args: args, Environ: environ, Stdout: &out, Stderr: &errs})
	return code, out.String(), errs.String()
}

func TestMain_Version(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := run(t, nil, "version")
	if code != 0 || !strings.HasPrefix(stdout, "receiver ") || stderr != "" {
		t.Errorf("exit %d: %q, %q", code, stdout, stderr)
	}
}

func TestMain_UnknownVariable(t *testing.T) {
	t.Parallel()
	environ := []string{"BILLABLE_HTTP_ADR=:0"}
	for _, test := range []struct {
		args    []string
		refused bool
	}{{nil, true}, {[]string{"--allow-unknown-env"}, false}} {
		code, _, stderr := run(t, environ, test.args...) // without a queue it does not start
		if code != 2 || strings.Contains(stderr, "did you mean BILLABLE_HTTP_ADDR?") != test.refused {
			t.Errorf("%q: exit %d, %q", test.args, code, stderr)
		}
	}
}

func TestMain_WrongUsage(t *testing.T) {
	t.Parallel()
	malformed := filepath.Join(t.TempDir(), "malformed.yaml")
	if err := os.WriteFile(malformed, []byte("http: ["), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"--nothing"}, {"nothing"}, {"version", "nothing"}, {"--config"},
		{"--config", "/nothing/here.yaml"}, {"--config", malformed},
	} {
		code, stdout, stderr := run(t, nil, args...)
		if code != 2 || stdout != "" || !strings.HasPrefix(stderr, "receiver: ") || strings.Count(stderr, "\n") != 1 && args[len(args)-1] != malformed {
			t.Errorf("%v: exit %d: %q, %q", args, code, stdout, stderr)
		}
	}
}

func TestMain_ReportsAllInvalidSettings(t *testing.T) {
	t.Parallel()
	code, _, stderr := run(t, []string{"BILLABLE_AUTH_USERNAME=a:b", "BILLABLE_AUTH_PASSWORD=topsecret", "BILLABLE_HTTP_SHUTDOWN_DELAY=1ms"})
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if code != 2 || len(lines) != 4 || strings.Contains(stderr, "topsecret") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	for _, key := range []string{"queue.url", "auth.username", "http.shutdown_delay"} {
		if !strings.Contains(stderr, "\n  "+key+": ") {
			t.Errorf("%s is missing: %s", key, stderr)
		}
	}
}
