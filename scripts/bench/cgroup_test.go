package main

import (
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// tree makes a directory like mounted control groups: files by path. A path that ends with a slash is
// a directory.
func tree(t *testing.T, files map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o750); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// written returns the files of all groups named bench, by path.
func written(t *testing.T, root string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		relative, _ := filepath.Rel(root, path)
		if err != nil || entry.IsDir() || !strings.Contains(relative, "bench/") {
			return err
		}
		content, err := os.ReadFile(path)
		found[relative] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestCgroup_HasLimits(t *testing.T) {
	t.Parallel()
	limits1 := func(cpu, memory string) map[string]string {
		return map[string]string{
			cpu + "bench/cpu.cfs_period_us": "100000", cpu + "bench/cpu.cfs_quota_us": "25000", cpu + "bench/cgroup.procs": "PID\n",
			memory + "bench/memory.limit_in_bytes": "268435456", memory + "bench/cgroup.procs": "PID\n",
		}
	}
	limits2 := func(at string) map[string]string {
		return map[string]string{at + "bench/cpu.max": "25000 100000", at + "bench/memory.max": "268435456", at + "bench/cgroup.procs": "PID\n"}
	}
	for name, test := range map[string]struct{ files, want map[string]string }{
		"version 1": {map[string]string{"cpu/": "", "memory/": ""}, limits1("cpu/", "memory/")},
		"version 2": {map[string]string{"cgroup.controllers": "cpu memory"}, limits2("")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := tree(t, test.files)
			group, err := newCgroup(root, "bench", *quarterCPU)
			if err != nil {
				t.Fatal(err)
			}
			shell, arguments := group.command("/bin/sh", "-c", `printf %s "$1 $2"`, "sh", "a b", "$c")
			command := exec.CommandContext(t.Context(), shell, arguments...)
			if output, err := command.CombinedOutput(); err != nil || string(output) != "a b $c" {
				t.Fatalf("%v: %s", err, output)
			}
			got := written(t, root)
			for path, content := range test.want {
				test.want[path] = strings.Replace(content, "PID", strconv.Itoa(command.Process.Pid), 1)
			}
			if !maps.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if err := group.remove(); err == nil {
				t.Error("a group that is not empty was removed")
			}
			for path := range got { // the kernel removes the files by itself
				_ = os.Remove(filepath.Join(root, path))
			}
			if err := group.remove(); err != nil {
				t.Error(err)
			}
			for path := range got {
				if _, err := os.Stat(filepath.Dir(filepath.Join(root, path))); err == nil {
					t.Errorf("%s still exists", filepath.Dir(path))
				}
			}
			if err := group.remove(); err != nil {
				t.Errorf("again: %v", err)
			}
		})
	}
}

// TestNewCgroup_Fails checks the errors.
func TestNewCgroup_Fails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"nothing there":     {nil, "cpu/bench"},
		"half of it":        {map[string]string{"cpu/": ""}, "memory/bench"},
		"there is one":      {map[string]string{"cpu/bench/": "", "memory/": ""}, "file exists"},
		"there is a second": {map[string]string{"cgroup.controllers": "", "bench/": ""}, "file exists"},
	} {
		root := tree(t, test.files)
		if _, err := newCgroup(root, "bench", *quarterCPU); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCgroup_LimitsProcess checks the limits that a process in a real control group gives itself.
func TestCgroup_LimitsProcess(t *testing.T) {
	t.Parallel()
	group, err := newCgroup(cgroupRoot, fmt.Sprintf("billable-test-%d", os.Getpid()), *quarterCPU)
	if err != nil {
		t.Skipf("control groups cannot be made here: %v", err)
	}
	defer func() {
		if err := group.remove(); err != nil {
			t.Error(err)
		}
	}()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	limitsOf := func(environ ...string) (processors int, memory int64) {
		shell, arguments := group.command(program)
		command := exec.CommandContext(t.Context(), shell, arguments...)
		command.Env = append([]string{printLimits + "=yes"}, environ...)
		output, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, output)
		}
		if _, err := fmt.Sscan(string(output), &processors, &memory); err != nil {
			t.Fatalf("%v: %s", err, output)
		}
		return processors, memory
	}
	if processors, memory := limitsOf(); processors != 1 || memory < 200<<20 || memory > 230<<20 {
		t.Errorf("0.25 CPU, 256 MiB: %d processors, %d bytes", processors, memory)
	}
	if processors, memory := limitsOf("GOMAXPROCS=2", "GOMEMLIMIT=off"); processors != 2 || memory != math.MaxInt64 {
		t.Errorf("with GOMAXPROCS and GOMEMLIMIT: %d processors, %d bytes", processors, memory)
	}
}
