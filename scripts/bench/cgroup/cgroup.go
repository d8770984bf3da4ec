// Package cgroup runs processes with a part of the machine, as a container does: in a
// control group of their own, of version 1 or 2.
// https://man7.org/linux/man-pages/man7/cgroups.7.html
package cgroup

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

// Root is where control groups are mounted.
const Root = "/sys/fs/cgroup"

// period is what a part of the CPU is a part of: Linux's, and Kubernetes', default.
const period = 100 * time.Millisecond

// removeLimit is how long a group may stay busy once its processes have ended.
const removeLimit = 2 * time.Second

// Limits is what the processes of a group get together.
type Limits struct {
	CPU    float64 // cores; 0: no limit
	Memory int64   // bytes
}

// Group is a control group. In version 1 it is a directory for each of its resources.
type Group struct {
	directories []string
}

// file is one setting of a group.
type file struct{ name, content string }

// Make makes a group of the given name below the one that this process is in, or below
// the nearest one around it that can have children with limits. Root is the package's,
// self the content of /proc/self/cgroup.
func Make(root, self, name string, limits Limits) (*Group, error) {
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err == nil {
		return makeUnified(root, self, name, limits)
	}
	group := &Group{}
	for _, controller := range []struct {
		name  string
		files []file
	}{
		{"cpu", []file{{"cpu.cfs_period_us", microseconds(period)}, {"cpu.cfs_quota_us", limits.quota("-1")}}},
		{"memory", []file{{"memory.limit_in_bytes", strconv.FormatInt(limits.Memory, 10)}}},
	} {
		parent, err := controllerParent(root, self, controller.name)
		if err == nil {
			err = group.add(filepath.Join(parent, name), controller.files)
		}
		if err != nil {
			return nil, errors.Join(err, group.Remove())
		}
	}
	return group, nil
}

// makeUnified is Make for version 2.
// https://docs.kernel.org/admin-guide/cgroup-v2.html
func makeUnified(root, self, name string, limits Limits) (*Group, error) {
	parent, err := unifiedParent(root, self)
	if err != nil {
		return nil, err
	}
	group := &Group{}
	if err := group.add(filepath.Join(parent, name), []file{
		{"cpu.max", limits.quota("max") + " " + microseconds(period)},
		{"memory.max", strconv.FormatInt(limits.Memory, 10)},
	}); err != nil {
		return nil, errors.Join(err, group.Remove())
	}
	return group, nil
}

// quota is the time that the processes get of each period; unlimited is how the kernel says
// that they get all.
func (l Limits) quota(unlimited string) string {
	if l.CPU == 0 {
		return unlimited
	}
	return microseconds(time.Duration(l.CPU * float64(period)))
}

func microseconds(d time.Duration) string { return strconv.FormatInt(d.Microseconds(), 10) }

// controllerParent is the group of version 1 that this process is in. In a container
// the path may be that of the host, which cannot be seen: then it is the container's
// own root.
func controllerParent(root, self, controller string) (string, error) {
	mount := filepath.Join(root, controller)
	if _, err := os.Stat(mount); err != nil {
		return "", fmt.Errorf("there is no control group of the %s: %w", controller, err)
	}
	for line := range strings.Lines(self) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 || !slices.Contains(strings.Split(fields[1], ","), controller) {
			continue
		}
		if own := filepath.Join(mount, fields[2]); isDirectory(own) {
			return own, nil
		}
	}
	return mount, nil
}

// unifiedParent is the nearest group around this process whose children may have
// limits of both kinds.
func unifiedParent(root, self string) (string, error) {
	own := "/"
	for line := range strings.Lines(self) {
		if path, found := strings.CutPrefix(strings.TrimSpace(line), "0::"); found {
			own = path
		}
	}
	for path := filepath.Clean("/" + own); ; path = filepath.Dir(path) {
		given, err := os.ReadFile(filepath.Join(root, path, "cgroup.subtree_control"))
		if controllers := strings.Fields(string(given)); err == nil && slices.Contains(controllers, "cpu") && slices.Contains(controllers, "memory") {
			return filepath.Join(root, path), nil
		}
		if path == "/" {
			return "", errors.New("no control group around this process gives its children limits of CPU and memory")
		}
	}
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// add makes a directory with its settings.
func (g *Group) add(directory string, files []file) error {
	if err := os.Mkdir(directory, 0o750); err != nil {
		return fmt.Errorf("make a control group: %w", err)
	}
	g.directories = append(g.directories, directory)
	for _, file := range files {
		if err := write(filepath.Join(directory, file.name), file.content); err != nil {
			return err
		}
	}
	return nil
}

func write(path, content string) error {
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return fmt.Errorf("set a limit: %w", err)
	}
	return nil
}

// Command returns a command line that runs the given one within the group from its first
// instruction on: a process looks for its limits when it starts.
func (g *Group) Command(binary string, arguments ...string) (shell string, wrapped []string) {
	var script strings.Builder
	for _, directory := range g.directories {
		fmt.Fprintf(&script, "echo $$ > '%s/cgroup.procs' && ", directory)
	}
	script.WriteString(`exec "$0" "$@"`)
	return "/bin/sh", append([]string{"-c", script.String(), binary}, arguments...)
}

// Remove removes the group, whose processes must have ended. The kernel may take a
// moment to see that.
func (g *Group) Remove() error {
	var failed []error
	deadline := time.Now().Add(removeLimit)
	for _, directory := range g.directories {
		err := os.Remove(directory)
		for errors.Is(err, syscall.EBUSY) && time.Now().Before(deadline) {
			time.Sleep(10 * time.Millisecond)
			err = os.Remove(directory)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, fmt.Errorf("remove a control group: %w", err))
		}
	}
	return errors.Join(failed...)
}
