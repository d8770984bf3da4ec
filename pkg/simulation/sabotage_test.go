package simulation_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// module is the directory of the module, seen from this test.
const module = "../.."

// sabotage is the package that the sabotaged files ask whether they are. It exists in
// the overlay only: production code has no hook for it.
const sabotage = `package sabotage

import "os"

var name = os.Getenv("SABOTEUR")

func By(saboteur string) bool { return name == saboteur }
`

// TestSaboteurs lets each saboteur work in a copy of the product, and wants the seeds
// of the default set to notice; and those that did to pass when nobody is at work. All are
// in one binary, built with -overlay.
func TestSaboteurs(t *testing.T) {
	if testing.Short() {
		t.Skip("builds another binary")
	}
	binary := build(t, overlay(t))
	for _, saboteur := range saboteurs {
		t.Run(saboteur.name, func(t *testing.T) {
			t.Parallel()
			caught, output := hunt(t, binary, saboteur.name, saboteur.seed, 1)
			if !caught { // histories go otherwise by now
				caught, output = hunt(t, binary, saboteur.name, *first, *hunted)
			}
			if !caught {
				t.Fatalf("nobody noticed: %s\n%s", saboteur.why, output)
			}
			t.Log(verdict(output))
		})
	}
	t.Run("nobody", func(t *testing.T) {
		t.Parallel()
		for _, saboteur := range saboteurs {
			if caught, output := hunt(t, binary, "", saboteur.seed, 1); caught {
				t.Fatalf("the copy fails by itself: %s", output)
			}
		}
		if output, err := exec.CommandContext(t.Context(), binary, "-test.run", "^TestReplay$").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
	})
}

// overlay writes the sabotaged copies, and the file that puts them in the places of
// the originals.
func overlay(t *testing.T) (path string) {
	t.Helper()
	directory := t.TempDir()
	root, err := filepath.Abs(module)
	if err != nil {
		t.Fatal(err)
	}
	copies := map[string]string{}
	for _, saboteur := range saboteurs {
		for _, edit := range saboteur.edits {
			name := filepath.Join(root, "pkg", edit.file)
			if _, ok := copies[name]; !ok {
				copies[name] = withImport(t, name)
			}
			if count := strings.Count(copies[name], edit.old); count != 1 {
				t.Fatalf("saboteur %q: the place to change stands %d times in %s:\n%s", saboteur.name, count, edit.file, edit.old)
			}
			sabotaged := strings.ReplaceAll(edit.new, "SABOTAGED", fmt.Sprintf("sabotage.By(%q)", saboteur.name))
			copies[name] = strings.Replace(copies[name], edit.old, sabotaged, 1)
		}
	}
	copies[filepath.Join(root, "pkg", "sabotage", "sabotage.go")] = sabotage

	replace := map[string]string{}
	for name, content := range copies {
		copied := filepath.Join(directory, fmt.Sprintf("%d.go", len(replace)))
		if err := os.WriteFile(copied, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[name] = copied
	}
	encoded, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(directory, "overlay.json")
	if err := os.WriteFile(path, encoded, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var packageClause = regexp.MustCompile(`(?m)^package \w+$`)

// withImport reads a file and adds the import of sabotage.
func withImport(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return packageClause.ReplaceAllString(string(content), "$0\n\nimport \"github.com/billable-events/billable/pkg/sabotage\"")
}

func build(t *testing.T, overlay string) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "sabotaged.test")
	command := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-o", binary, "-overlay", overlay, "./pkg/simulation")
	command.Dir = module
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return binary
}

// hunt runs so many seeds until one fails.
func hunt(t *testing.T, binary, saboteur string, first, seeds uint64) (caught bool, output string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), binary, "-test.run", "^TestHistories$", "-test.failfast", "-test.timeout", "2m",
		"-first", fmt.Sprint(first), "-seeds", fmt.Sprint(seeds))
	command.Env = append(os.Environ(), "SABOTEUR="+saboteur)
	printed, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return err != nil, string(printed)
}

var firstFault = regexp.MustCompile(`seed (\d+), ([^:]+):\n\s*(.*)`)

// verdict is which seed noticed, and what the books said.
func verdict(output string) string {
	found := firstFault.FindStringSubmatch(output)
	if found == nil {
		return output
	}
	return fmt.Sprintf("seed %s (%s): %s", found[1], found[2], found[3])
}
