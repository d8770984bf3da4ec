package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/lifecycle"
	"github.com/billable-events/billable/scripts/cli"
	"github.com/billable-events/billable/scripts/testbed/programs"
)

// printLimits names the variable that makes the test binary print the limits that a program gives
// itself.
const printLimits = "BILLABLE_TEST_PRINT_LIMITS"

// TestMain makes the test binary a child, or a program.
func TestMain(m *testing.M) {
	programs.RunIfCalled()
	if os.Getenv(printLimits) != "" {
		lifecycle.RuntimeLimits{GCPercent: 100}.Apply(os.Environ())
		fmt.Fprint(os.Stdout, runtime.GOMAXPROCS(0), " ", debug.SetMemoryLimit(-1))
		os.Exit(0)
	}
	if len(os.Args) > 1 && slices.Contains([]string{loadCommand, baselineCommand}, os.Args[1]) {
		main()
	}
	os.Exit(m.Run())
}

func TestRun_Usage(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"", "everything", "consumer --bogus", "consumer now", "receiver now", "ratelimit --profile x"} {
		var stderr strings.Builder
		if err := run(t.Context(), strings.Fields(args), io.Discard, &stderr); !errors.Is(err, cli.ErrUsage) || stderr.Len() == 0 {
			t.Errorf("%q: %v %s", args, err, stderr.String())
		}
	}
}

func TestThisMachine(t *testing.T) {
	t.Parallel()
	if m, load, err := thisMachine(); err != nil || m.CPU == "" || m.Cores < 1 || m.Kernel == "" || m.Go == "" || load < 0 {
		t.Errorf("%+v, %f, %v", m, load, err)
	}
	if _, peak, err := usage(os.Getpid()); err != nil || peak < 1<<20 || peak > 1<<40 {
		t.Errorf("the peak is %d bytes, %v", peak, err)
	}
	if _, _, err := usage(-1); err == nil {
		t.Error("the process -1 has a CPU time")
	}
}
