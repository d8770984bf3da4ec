package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/procfs"
)

// machine describes where figures come from: they compare only on the same machine.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
}

// thisMachine describes this machine, and returns its load average over the last minute.
func thisMachine() (m machine, load float64, err error) {
	m = machine{Cores: runtime.NumCPU(), Go: runtime.Version(), CPU: runtime.GOARCH}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return m, 0, fmt.Errorf("benchmarks need Linux: %w", err)
	}
	m.Kernel = strings.TrimSpace(string(kernel))
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return m, 0, err
	}
	if cpus, err := proc.CPUInfo(); err == nil && len(cpus) > 0 && cpus[0].ModelName != "" {
		m.CPU = cpus[0].ModelName
	}
	average, err := proc.LoadAvg()
	if err != nil {
		return m, 0, err
	}
	return m, average.Load1, nil
}

func (m machine) String() string {
	return fmt.Sprintf("%s, %d cores, Linux %s, %s", m.CPU, m.Cores, m.Kernel, m.Go)
}

// commit returns the commit of the source, with -dirty if there are changes.
func commit(ctx context.Context) string {
	described, _ := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--exclude", "*").Output() // empty without git
	return cmp.Or(strings.TrimSpace(string(described)), "unknown")
}

// usage returns the CPU time of a process so far, user and system, to 10 ms, and its highest resident
// memory in bytes.
func usage(pid int) (cpu time.Duration, peak int64, err error) {
	process, err := procfs.NewProc(pid)
	if err != nil {
		return 0, 0, err
	}
	stat, err := process.Stat()
	if err != nil {
		return 0, 0, err
	}
	status, err := process.NewStatus()
	return time.Duration(stat.CPUTime() * float64(time.Second)).Round(time.Millisecond), int64(status.VmHWM), err
}
