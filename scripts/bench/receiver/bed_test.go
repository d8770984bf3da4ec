package receiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/billable-events/billable/scripts/bench/ladder"
	"github.com/billable-events/billable/scripts/bench/load"
	"github.com/billable-events/billable/scripts/bench/standin"
	"github.com/billable-events/billable/scripts/testbed"
)

// TestMain lets the test's binary be the children, as the program is.
func TestMain(m *testing.M) {
	child := map[string]func(context.Context) error{
		StandInCommand: func(ctx context.Context) error {
			return standin.Serve(ctx, os.Stdin, os.Stdout, standin.Config{Genuine: load.Genuine})
		},
		LoadCommand: func(context.Context) error { return load.Serve(os.Stdin, os.Stdout) },
		RungCommand: func(ctx context.Context) error { return ladder.Serve(ctx, os.Args[2:]) },
	}
	if len(os.Args) < 2 || child[os.Args[1]] == nil {
		os.Exit(m.Run())
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	err := child[os.Args[1]](ctx)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func build(t *testing.T) (binaries string) {
	t.Helper()
	binaries = t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binaries, "./cmd/receiver")
	build.Dir = "../../.."
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return binaries
}

// TestScenario has the real processes do a little of everything.
func TestScenario(t *testing.T) {
	binaries := build(t)
	const rate, crowd, most = 100, 40, 60
	tiny := scenario{
		name: "tiny", target: "all of it", limits: &quarter,
		run: func(b *bed) (Result, []load.Answer, error) {
			total, answers, err := b.besiege(b.receiver, load.Plan{Shape: load.Open, Rate: rate, Length: time.Second})
			if err != nil {
				return total, answers, err
			}
			for _, plan := range []load.Plan{
				{Shape: load.Closed, Connections: 8, Length: time.Minute, Most: most},
				{Shape: load.Crowd, Connections: crowd},
			} {
				more, _, err := b.besiege(b.receiver, plan)
				if err != nil {
					return total, answers, err
				}
				total = total.plus(more)
			}
			self, err := os.Executable()
			if err != nil {
				return total, answers, err
			}
			rung, err := start(t.Context(), testbed.Command{Binary: self, Args: []string{RungCommand, ladder.WithBody}, Env: b.queue.Environment}, nil)
			if err != nil {
				return total, answers, err
			}
			defer rung.end()
			lesser, err := b.stint(rung, ladder.WithBody, load.Plan{Shape: load.Closed, Connections: 4, Length: time.Minute, Most: most})
			if lesser.OK != most || lesser.Wrong != "" {
				t.Errorf("the rung: %+v", lesser)
			}
			return total, answers, err
		},
		met: func(r Result) bool { return r.OK == r.Requests },
	}
	var progress strings.Builder
	got, answers, err := tiny.execute(t.Context(), binaries, &progress)
	if err != nil {
		t.Fatal(err)
	}
	if got.Skipped != "" {
		t.Logf("without a control group: %s", got.Skipped)
		tiny.limits = nil
		if got, answers, err = tiny.execute(t.Context(), binaries, &progress); err != nil {
			t.Fatal(err)
		}
	}
	if want := rate + crowd + most; got.Requests != want || got.OK != want || got.Messages != want || got.Wrong != "" || got.verdict() != "met" || len(answers) != rate {
		t.Errorf("got %+v", got)
	}
	if got.CPU <= 0 || got.GeneratorCPU <= 0 || got.StandInCPU < 0 || got.PeakMemory < 1<<20 || got.Polls < 1 || got.PollsFailed != 0 || got.Calls < 1 || got.Calls > got.Messages {
		t.Errorf("got %+v", got)
	}
	if got.Latencies.P50 < 15*time.Millisecond || got.Latencies.Max > 5*time.Second {
		t.Errorf("got %+v", got.Latencies)
	}
	if !strings.Contains(progress.String(), "tiny") {
		t.Errorf("the progress says %q", progress.String())
	}
}

// TestNotBuilt is an error that names the scenario, and leaves no process behind.
func TestNotBuilt(t *testing.T) {
	_, _, err := scenario{name: "tiny"}.execute(t.Context(), t.TempDir(), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "tiny: ") || !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestPulse counts polls that fail.
func TestPulse(t *testing.T) {
	t.Parallel()
	var polls atomic.Int64
	asked := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if polls.Add(1) > 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		asked <- struct{}{}
	}))
	defer server.Close()
	p := feel(t.Context(), server.URL)
	<-asked
	<-asked
	got := p.stop()
	if got.polls < 1 || got.polls > 2 || got.failed != got.polls-1 || got.slowest <= 0 || got != p.stop() {
		t.Errorf("got %+v", got)
	}
}
