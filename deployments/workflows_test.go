package deployments_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// workflow is a workflow for changes, nights or releases.
type workflow struct {
	On          map[string]any
	Permissions map[string]string
	Concurrency struct{ Group string }
	Jobs        map[string]job
}

type job struct {
	TimeoutMinutes int `yaml:"timeout-minutes"`
	Needs          []string
	Environment    string
	Permissions    map[string]string
	Steps          []step
}

type step struct {
	Uses, Run string
	With      map[string]string
}

var (
	pinned  = regexp.MustCompile(`^[\w./-]+@[0-9a-f]{40}$`)
	targets = regexp.MustCompile(`(?m)^([a-z-]+):.*## `)
	made    = regexp.MustCompile(`\bmake (?:--[a-z-]+ )*([a-z-]+)`)
)

func readWorkflow(t *testing.T, file string) (w workflow) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(content, &w); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return w
}

// They run make targets, have no more permissions than they need, and end.
func TestWorkflows(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, match := range targets.FindAllStringSubmatch(string(content), -1) {
		known[match[1]] = true
	}
	files, err := filepath.Glob("../.github/workflows/*.yml")
	if err != nil || len(files) != 3 {
		t.Fatalf("the workflows are %v, %v", files, err)
	}
	used := map[string]bool{}
	for _, file := range files {
		w := readWorkflow(t, file)
		if !maps.Equal(w.Permissions, map[string]string{"contents": "read"}) || w.Concurrency.Group == "" {
			t.Errorf("%s may do %v, in the group %q", file, w.Permissions, w.Concurrency.Group)
		}
		for name, job := range w.Jobs {
			if job.TimeoutMinutes == 0 {
				t.Errorf("%s: %s has no end", file, name)
			}
			for _, step := range job.Steps {
				if step.Uses != "" && !pinned.MatchString(step.Uses) {
					t.Errorf("%s: %s: an action that may change: %s", file, name, step.Uses)
				}
				for _, match := range made.FindAllStringSubmatch(step.Run, -1) {
					used[match[1]] = true
					if !known[match[1]] {
						t.Errorf("%s: %s: there is no target %s", file, name, match[1])
					}
				}
			}
		}
	}
	for _, target := range []string{"lint", "lint-workflows", "test", "simulate", "fuzz", "vulnerabilities", "images", "conformance", "release", "push-images"} {
		if !used[target] {
			t.Errorf("nothing runs make %s", target)
		}
	}
}

// A release is published in a protected environment, after all checks, and with attested provenance.
func TestWorkflows_Release(t *testing.T) {
	t.Parallel()
	w := readWorkflow(t, "../.github/workflows/release.yml")
	want := map[string]any{"push": map[string]any{"tags": []any{"v*.*.*"}}}
	if diff := cmp.Diff(want, w.On); diff != "" {
		t.Errorf("triggers (-want +got):\n%s", diff)
	}
	jobs := w.Jobs
	for name, command := range map[string]string{
		"branch": "git merge-base --is-ancestor HEAD origin/main", "test": "make test", "fuzz": "make fuzz", "vulnerabilities": "make vulnerabilities",
	} {
		if !slices.ContainsFunc(jobs[name].Steps, func(s step) bool { return s.Run == command }) {
			t.Errorf("the job %s does not run %s", name, command)
		}
	}
	subjects := map[string][]string{
		"archives": {"dist/checksums.txt"},
		"images":   {"ghcr.io/billable-events/billable/receiver", "ghcr.io/billable-events/billable/consumer"},
	}
	for name, job := range jobs {
		publishes := false
		for _, access := range job.Permissions {
			publishes = publishes || access == "write"
		}
		if publishes != (subjects[name] != nil) {
			t.Errorf("%s has the permissions %v", name, job.Permissions)
		}
		if !publishes {
			continue
		}
		if job.Environment != "release" || !slices.Equal(job.Needs, []string{"branch", "test", "fuzz", "vulnerabilities"}) {
			t.Errorf("%s publishes in the environment %q after %v", name, job.Environment, job.Needs)
		}
		var attested []string
		for _, step := range job.Steps {
			if strings.HasPrefix(step.Uses, "actions/attest@") {
				attested = append(attested, step.With["subject-checksums"]+step.With["subject-name"])
			}
		}
		if !slices.Equal(attested, subjects[name]) || job.Permissions["id-token"] != "write" || job.Permissions["attestations"] != "write" {
			t.Errorf("%s attests %v with the permissions %v, want %v", name, attested, job.Permissions, subjects[name])
		}
	}
}
