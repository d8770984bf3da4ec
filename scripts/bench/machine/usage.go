package machine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the unit of CPU times in /proc, fixed on all of Linux's
// architectures that Go runs on.
const ticksPerSecond = 100

// ProcessCPU is the CPU time that a process has used so far, in user mode and in the
// kernel, to 10 ms.
// https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
func ProcessCPU(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("CPU of a process is read from /proc, which Linux has: %w", err)
	}
	return parseStat(stat)
}

func parseStat(stat []byte) (time.Duration, error) {
	// The name, in brackets, may contain anything.
	end := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[end+1:]))
	const user, system = 14 - 3, 15 - 3 // the first field here is the third
	if end < 0 || len(fields) <= system {
		return 0, errors.New("/proc/PID/stat has another form")
	}
	var ticks int64
	for _, field := range []string{fields[user], fields[system]} {
		parsed, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/PID/stat: %w", err)
		}
		ticks += parsed
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}

// PeakMemory is the most memory, in bytes, that a process has had resident so far.
func PeakMemory(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return parseField(status, "VmHWM")
}

// parseField finds a size in kB, as /proc writes them.
func parseField(file []byte, name string) (bytes int64, err error) {
	for line := range strings.Lines(string(file)) {
		value, found := strings.CutPrefix(line, name+":")
		if !found {
			continue
		}
		kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s in /proc: %w", name, err)
		}
		return kilobytes << 10, nil
	}
	return 0, fmt.Errorf("there is no %s in /proc", name)
}
