package main

import (
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/scripts/testbed/programs"
)

// TestReceiverScenario measures a real receiver.
func TestReceiverScenario(t *testing.T) {
	o := options{binaries: programs.Directory(t)}
	f, err := steady("steady", nil, 100, 500*time.Millisecond, time.Minute).measure(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if f["requests"] < 50 || f["200, %"] != 100 || f[cpuPerRequest] <= 0 || f["peak, MB"] < 1 || f["messages per call"] < 1 {
		t.Errorf("got %v", f)
	}
	outage := outageScenario(200*time.Millisecond, 200*time.Millisecond, 500*time.Millisecond)
	if f, err = outage.measure(t.Context(), o); err != nil || f["requests"] < 100 || f["max, ms"] < 100 {
		t.Errorf("an outage: %v, %v", f, err)
	}
}

func TestReceiverScenario_Fails(t *testing.T) {
	_, err := steady("steady", nil, 100, time.Second, time.Second).measure(t.Context(), options{binaries: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Error(err)
	}
}

// TestCompareBaselines loads each server a little: other tests need the machine, too.
func TestCompareBaselines(t *testing.T) {
	r, _ := testReport(t)
	err := compareBaselines(t.Context(), options{binaries: programs.Directory(t)}, r, 1,
		loadMode{"closed", load{Clients: 2, Length: 200 * time.Millisecond, Kind: usualWebhook}, 2.5},
		loadMode{"open", load{Rate: 50, Length: 200 * time.Millisecond, Kind: usualWebhook}, 1.8})
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"closed: ", "open: "} {
		if f := r.run.Results[mode+fullReceiver]; f["ratio"] <= 0 || f["requests"] <= 0 {
			t.Errorf("%s: %v", mode, f)
		}
	}
}

func TestReceiverScenarios_Targets(t *testing.T) {
	t.Parallel()
	for _, s := range receiverScenarios(options{}) {
		if good := (figures{"200, %": 100, "p99, ms": 10, "max, ms": 20, "peak, MB": 60, "recovered after, s": 0}); !s.met(good) {
			t.Errorf("%s: %v misses %q", s.name, good, s.target)
		}
		if bad := (figures{"200, %": 99, "p99, ms": 1000, "max, ms": 4000, "peak, MB": 300}); s.met(bad) {
			t.Errorf("%s: %v meets %q", s.name, bad, s.target)
		}
	}
}
