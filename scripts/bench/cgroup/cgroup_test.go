package cgroup_test

import (
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/lifecycle"
	"github.com/billable-events/billable/scripts/bench/cgroup"
)

var quarter = cgroup.Limits{CPU: 0.25, Memory: 256 << 20}

// tree makes a directory that looks like mounted control groups: files by their path; a
// path that ends with a slash is a directory.
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

// written are the files of all groups named bench, by path.
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

func TestMake(t *testing.T) {
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
	const both = "cpuset cpu io memory pids"
	for name, test := range map[string]struct {
		files map[string]string
		self  string
		want  map[string]string
	}{
		"version 1, at the root": {map[string]string{"cpu/": "", "memory/": ""}, "2:memory:/\n1:cpu:/\n", limits1("cpu/", "memory/")},
		"version 1, below": {
			map[string]string{"cpu/user/": "", "memory/jobs/7/": "", "unified/cgroup.controllers": ""},
			"4:memory:/jobs/7\n3:cpu,cpuacct:/user\n2:cpuset:/other\n0::/", limits1("cpu/user/", "memory/jobs/7/"),
		},
		"version 1, a path of the host": {map[string]string{"cpu/": "", "memory/": ""}, "2:memory:/docker/1\n1:cpu:/docker/1\n", limits1("cpu/", "memory/")},
		"version 2, at the root":        {map[string]string{"cgroup.controllers": both, "cgroup.subtree_control": both}, "0::/\n", limits2("")},
		"version 2, around": {
			map[string]string{"cgroup.controllers": both, "a/cgroup.subtree_control": both, "a/b/cgroup.subtree_control": "pids", "a/b/c/cgroup.subtree_control": ""},
			"0::/a/b/c\n", limits2("a/"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := tree(t, test.files)
			group, err := cgroup.Make(root, test.self, "bench", quarter)
			if err != nil {
				t.Fatal(err)
			}
			shell, arguments := group.Command("/bin/sh", "-c", `printf %s "$1 $2"`, "sh", "a b", "$c")
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
			if err := group.Remove(); err == nil {
				t.Error("what is not empty was removed")
			}
			for path := range got { // as the kernel has it: the files are no obstacle
				_ = os.Remove(filepath.Join(root, path))
			}
			if err := group.Remove(); err != nil {
				t.Error(err)
			}
			for path := range got {
				if _, err := os.Stat(filepath.Dir(filepath.Join(root, path))); err == nil {
					t.Errorf("%s is still there", filepath.Dir(path))
				}
			}
			if err := group.Remove(); err != nil {
				t.Errorf("again: %v", err)
			}
		})
	}
}

// TestMakeFails says why, and leaves nothing behind.
func TestMakeFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"nothing there":     {nil, "no control group of the cpu"},
		"half of it":        {map[string]string{"cpu/": ""}, "no control group of the memory"},
		"no controllers":    {map[string]string{"cgroup.controllers": "", "cgroup.subtree_control": ""}, "no control group around"},
		"there is one":      {map[string]string{"cpu/bench/": "", "memory/": ""}, "file exists"},
		"there is a second": {map[string]string{"cgroup.controllers": "", "cgroup.subtree_control": "cpu memory", "bench/": ""}, "file exists"},
	} {
		root := tree(t, test.files)
		if _, err := cgroup.Make(root, "0::/\n", "bench", quarter); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// asFitted makes the test's program one that fits itself into its group, and says how.
const asFitted = "BILLABLE_TEST_AS_FITTED"

func TestMain(m *testing.M) {
	if os.Getenv(asFitted) != "" {
		lifecycle.RuntimeLimits{GCPercent: 100}.Apply(os.Environ())
		fmt.Fprint(os.Stdout, runtime.GOMAXPROCS(0), " ", debug.SetMemoryLimit(-1))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestProcessFitsIntoItsGroup with the real kernel: it stays below the memory that it has, and
// does not spread over more processors than that.
func TestProcessFitsIntoItsGroup(t *testing.T) {
	t.Parallel()
	self, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Skip(err)
	}
	group, err := cgroup.Make(cgroup.Root, string(self), fmt.Sprintf("billable-test-%d", os.Getpid()), quarter)
	if err != nil {
		t.Skipf("no group can be made here: %v", err)
	}
	defer func() {
		if err := group.Remove(); err != nil {
			t.Error(err)
		}
	}()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	fitted := func(environ ...string) (processors int, memory int64) {
		shell, arguments := group.Command(program)
		command := exec.CommandContext(t.Context(), shell, arguments...)
		command.Env = append([]string{asFitted + "=yes"}, environ...)
		output, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, output)
		}
		if _, err := fmt.Sscan(string(output), &processors, &memory); err != nil {
			t.Fatalf("%v: %s", err, output)
		}
		return processors, memory
	}
	if processors, memory := fitted(); processors != 1 || memory < 200<<20 || memory > 230<<20 {
		t.Errorf("a quarter of a core, 256 MiB: %d processors, %d bytes", processors, memory)
	}
	if processors, memory := fitted("GOMAXPROCS=2", "GOMEMLIMIT=off"); processors != 2 || memory != math.MaxInt64 {
		t.Errorf("asked for otherwise: %d processors, %d bytes", processors, memory)
	}
}
