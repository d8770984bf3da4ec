package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billable-events/billable/scripts/testbed"
	"github.com/billable-events/billable/scripts/testbed/programs"
)

// TestReceiverScenario uses real processes and each kind of load.
func TestReceiverScenario(t *testing.T) {
	o := options{binaries: programs.Directory(t)}
	const rate, connections, most = 100, 40, 60
	tiny := receiverScenario{
		name: "tiny", target: "all of it", limits: &limits{cpu: 2, memory: 1 << 30},
		run: func(e *env) (ReceiverResult, []Answer, error) {
			total, answers, err := e.attackReceiver(Plan{Rate: rate, Length: time.Second})
			if err != nil {
				return total, answers, err
			}
			for _, plan := range []Plan{
				{Connections: 8, Length: time.Minute, MaxRequests: most},
				{Connections: connections},
			} {
				more, _, err := e.attackReceiver(plan)
				if err != nil {
					return total, answers, err
				}
				total = total.plus(more)
			}
			self, err := os.Executable()
			if err != nil {
				return total, answers, err
			}
			other, err := startServer(t.Context(), testbed.Command{Binary: self, Args: []string{baselineCommand, readBody}, Env: e.environ}, nil)
			if err != nil {
				return total, answers, err
			}
			defer other.kill()
			lesser, err := e.attackCompared(other, readBody, Plan{Connections: 4, Length: time.Minute, MaxRequests: most})
			if lesser.OK != most || lesser.Wrong != "" {
				t.Errorf("the baseline: %+v", lesser)
			}
			return total, answers, err
		},
		met: func(r ReceiverResult) bool { return r.OK == r.Requests },
	}
	var progress strings.Builder
	o.progress = &progress
	got, answers, err := tiny.execute(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got.Skipped != "" {
		t.Logf("without a control group: %s", got.Skipped)
		tiny.limits = nil
		if got, answers, err = tiny.execute(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	if want := rate + connections + most; got.Requests != want || got.OK != want || got.Messages != want || got.Wrong != "" || got.verdict() != "met" || len(answers) != rate {
		t.Errorf("got %+v", got)
	}
	if got.CPU <= 0 || got.GeneratorCPU <= 0 || got.QueueCPU < 0 || got.PeakMemory < 1<<20 || got.Polls < 1 || got.PollsFailed != 0 || got.Calls < 1 || got.Calls > got.Messages {
		t.Errorf("got %+v", got)
	}
	if got.Latencies.P50 < 15*time.Millisecond || got.Latencies.Max > 5*time.Second {
		t.Errorf("got %+v", got.Latencies)
	}
	if !strings.Contains(progress.String(), "tiny") {
		t.Errorf("the progress is %q", progress.String())
	}
}

// TestReceiverScenario_NotBuilt returns an error with the name of the scenario.
func TestReceiverScenario_NotBuilt(t *testing.T) {
	_, _, err := receiverScenario{name: "tiny"}.execute(t.Context(), options{binaries: t.TempDir(), progress: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "tiny: ") || !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestProber counts polls that fail.
func TestProber(t *testing.T) {
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
	p := startProber(server.URL)
	<-asked
	<-asked
	got := p.stop()
	if got.Polls < 1 || got.PollsFailed != got.Polls-1 || got.SlowestPoll <= 0 || got != p.stop() {
		t.Errorf("got %+v", got)
	}
}
