package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
	cpu    float64 // cores; 0 is no limit
	memory int64   // bytes
}

// quota returns the CPU time per period in microseconds.
func (l limits) quota(unlimited string) string {
	if l.cpu == 0 {
		return unlimited
	}
	return strconv.Itoa(int(l.cpu * cgroupPeriod))
}

// cgroup is a Linux control group: one directory in version 2, one for each resource in version 1.
type cgroup struct{ directories []string }

// newCgroup makes a control group below the group of this process. Root is cgroupRoot, self is the
// content of /proc/self/cgroup.
func newCgroup(root, self, name string, l limits) (*cgroup, error) {
	g := &cgroup{}
	if err := g.make(root, self, name, l); err != nil {
		return nil, errors.Join(fmt.Errorf("make a control group: %w", err), g.remove())
	}
	return g, nil
}

func (g *cgroup) make(root, self, name string, l limits) error {
	memory, period := strconv.FormatInt(l.memory, 10), strconv.Itoa(cgroupPeriod)
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err == nil {
		parent, err := unifiedParent(root, self)
		if err != nil {
			return err
		}
		return g.add(filepath.Join(parent, name), "cpu.max", l.quota("max")+" "+period, "memory.max", memory)
	}
	if err := g.add(filepath.Join(controllerParent(root, self, "cpu"), name), "cpu.cfs_period_us", period, "cpu.cfs_quota_us", l.quota("-1")); err != nil {
		return err
	}
	return g.add(filepath.Join(controllerParent(root, self, "memory"), name), "memory.limit_in_bytes", memory)
}

// controllerParent returns the directory of this process in version 1. In a container the path may
// be one of the host, which is not visible: then it is the root of the controller.
func controllerParent(root, self, controller string) string {
	mount := filepath.Join(root, controller)
	for line := range strings.Lines(self) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) == 3 && slices.Contains(strings.Split(fields[1], ","), controller) {
			if own := filepath.Join(mount, fields[2]); isDir(own) {
				return own
			}
		}
	}
	return mount
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// unifiedParent returns the nearest group above this process, in version 2, whose children can have
// limits of CPU and memory.
func unifiedParent(root, self string) (string, error) {
	path := "/"
	for line := range strings.Lines(self) {
		if own, found := strings.CutPrefix(strings.TrimSpace(line), "0::"); found {
			path = filepath.Clean("/" + own)
		}
	}
	for ; ; path = filepath.Dir(path) {
		content, err := os.ReadFile(filepath.Join(root, path, "cgroup.subtree_control")) //nolint:gosec // below /sys/fs/cgroup
		if controllers := strings.Fields(string(content)); err == nil && slices.Contains(controllers, "cpu") && slices.Contains(controllers, "memory") {
			return filepath.Join(root, path), nil
		}
		if path == "/" {
			return "", errors.New("no parent delegates cpu and memory")
		}
	}
}

// add makes a directory and writes its settings, pairs of name and value.
func (g *cgroup) add(directory string, settings ...string) error {
	if err := os.Mkdir(directory, 0o750); err != nil {
		return err
	}
	g.directories = append(g.directories, directory)
	for setting := range slices.Chunk(settings, 2) {
		if err := os.WriteFile(filepath.Join(directory, setting[0]), []byte(setting[1]), 0o600); err != nil {
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
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove a control group: %w", err))
		}
	}
	return errors.Join(errs...)
}
