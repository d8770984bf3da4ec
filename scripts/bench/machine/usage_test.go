package machine

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	const rest = " S 1 2 3 0 -1 4194304 102 0 0 0 250 75 0 0 20 0 1 0 2216007"
	for name, test := range map[string]struct {
		stat string
		want time.Duration
	}{
		"usual":                  {"42 (consumer)" + rest, 3250 * time.Millisecond},
		"a name like no other":   {"42 (a) R 9 (b) )" + rest, 3250 * time.Millisecond},
		"cut":                    {"42 (consumer) S 1 2", -1},
		"without a name":         {"42 consumer" + rest, -1},
		"words for numbers":      {"42 (consumer)" + strings.Replace(rest, "250", "many", 1), -1},
		"nothing":                {"", -1},
		"more than there is CPU": {"42 (consumer)" + strings.Replace(rest, "250", "99999999999999999999", 1), -1},
	} {
		got, err := parseStat([]byte(test.stat))
		if (err != nil) != (test.want < 0) || err == nil && got != test.want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

func TestParseField(t *testing.T) {
	t.Parallel()
	const status = "Name:\tconsumer\nVmHWM:\t   33264 kB\nVmRSS:\tmuch\n"
	if got, err := parseField([]byte(status), "VmHWM"); err != nil || got != 33264<<10 {
		t.Errorf("got %d, %v", got, err)
	}
	for _, name := range []string{"VmRSS", "VmSwap", "Vm"} {
		if got, err := parseField([]byte(status), name); err == nil {
			t.Errorf("%s is %d", name, got)
		}
	}
}

// TestOwnUsage reads what /proc says of this very process.
func TestOwnUsage(t *testing.T) {
	t.Parallel()
	peak, err := PeakMemory(os.Getpid())
	if err != nil || peak < 1<<20 || peak > 1<<40 {
		t.Errorf("the peak is %d bytes, %v", peak, err)
	}
	if _, err := ProcessCPU(os.Getpid()); err != nil {
		t.Error(err)
	}
	if _, err := ProcessCPU(-1); err == nil {
		t.Error("there is no such process")
	}
	if wanted, err := Load(); err != nil || wanted < 0 {
		t.Errorf("a load of %g, %v", wanted, err)
	}
	if m, err := This(); err != nil || m.CPU == "" || m.Cores < 1 || m.Memory < 1<<26 || m.Kernel == "" || m.Go == "" {
		t.Errorf("%+v, %v", m, err)
	}
}
