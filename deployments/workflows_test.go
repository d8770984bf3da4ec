package deployments_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"go.yaml.in/yaml/v3"
)

// workflow is a workflow for changes, nights or releases.
type workflow struct {
	Permissions map[string]string
	Concurrency struct{ Group string }
	Jobs        map[string]struct {
		TimeoutMinutes int `yaml:"timeout-minutes"`
		Steps          []struct{ Uses, Run string }
	}
}

var (
	pinned  = regexp.MustCompile(`^[\w./-]+@[0-9a-f]{40}$`)
	targets = regexp.MustCompile(`(?m)^([a-z-]+):.*## `)
	made    = regexp.MustCompile(`\bmake (?:--[a-z-]+ )*([a-z-]+)`)
)

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
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var w workflow
		if err := yaml.Unmarshal(content, &w); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
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
