package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	cgroupRoot   = "/sys/fs/cgroup"
	cgroupPeriod = 100_000 // microseconds, as in Kubernetes
)

// limits are the resources that the processes of a control group share.
type limits struct {
	cpu    float64 // cores
	memory int64   // bytes
}

// cgroup is a Linux control group: one directory in version 2, one for each resource in version 1.
type cgroup struct{ directories []string }

// newCgroup makes a control group below the root.
func newCgroup(root, name string, l limits) (*cgroup, error) {
	quota, period, memory := strconv.Itoa(int(l.cpu*cgroupPeriod)), strconv.Itoa(cgroupPeriod), strconv.FormatInt(l.memory, 10)
	g := &cgroup{}
	var err error
	if _, statErr := os.Stat(filepath.Join(root, "cgroup.controllers")); statErr == nil {
		err = g.add(filepath.Join(root, name), map[string]string{"cpu.max": quota + " " + period, "memory.max": memory})
	} else {
		err = errors.Join(
			g.add(filepath.Join(root, "cpu", name), map[string]string{"cpu.cfs_period_us": period, "cpu.cfs_quota_us": quota}),
			g.add(filepath.Join(root, "memory", name), map[string]string{"memory.limit_in_bytes": memory}))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a control group: %w", err), g.remove())
	}
	return g, nil
}

// add makes a directory and writes its settings.
func (g *cgroup) add(directory string, settings map[string]string) error {
	if err := os.Mkdir(directory, 0o750); err != nil {
		return err
	}
	g.directories = append(g.directories, directory)
	for name, value := range settings {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(value), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// command wraps a command so that it runs in the group from its first instruction on: a Go program
// reads its limits when it starts.
func (g *cgroup) command(binary string, args ...string) (shell string, wrapped []string) {
	var script strings.Builder
	for _, directory := range g.directories {
		fmt.Fprintf(&script, "echo $$ > '%s/cgroup.procs' && ", directory)
	}
	script.WriteString(`exec "$0" "$@"`)
	return "/bin/sh", append([]string{"-c", script.String(), binary}, args...)
}

// remove removes the group. Its processes must have ended; the kernel may notice that a little later.
func (g *cgroup) remove() error {
	var errs []error
	for _, directory := range g.directories {
		err := os.Remove(directory)
		for deadline := time.Now().Add(2 * time.Second); errors.Is(err, syscall.EBUSY) && time.Now().Before(deadline); err = os.Remove(directory) {
			time.Sleep(10 * time.Millisecond)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
