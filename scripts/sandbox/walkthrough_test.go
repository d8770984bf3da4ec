package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billable-events/billable/scripts/testbed/programs"
)

const page = "../../docs/operations.md"

// step is a command of the page, and the output that the page shows.
type step struct{ command, output string }

// steps returns the commands of the page in their order. The lines of a command after the first are
// indented by four spaces.
func steps(t *testing.T) (found []step) {
	t.Helper()
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)\n```\n([$] .*?)```").FindAllStringSubmatch(string(content), -1) {
		for text := range strings.SplitSeq(strings.TrimPrefix(block[1], "$ "), "\n$ ") {
			lines := strings.Split(text, "\n")
			end := 1
			for end < len(lines) && strings.HasPrefix(lines[end], "    ") {
				end++
			}
			found = append(found, step{strings.Join(lines[:end], "\n"), strings.Join(lines[end:], "\n")})
		}
	}
	return found
}

// volatile matches what differs between two runs: times, durations, and random ids.
var volatile = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:]+Z|\b\d+(\.\d+)? ?m?s\b|\b\d+m\b|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[a-z2-7]{12}\b`)

// outputLines returns the lines of an output in alphabetical order, without what differs between two runs
// and without the width of columns.
func outputLines(output string) []string {
	var lines []string
	for line := range strings.SplitSeq(output, "\n") {
		if line = strings.Join(strings.Fields(volatile.ReplaceAllString(line, "*")), " "); line != "" {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return lines
}

// isShown reports whether an output has all lines of the page and no others. A line of the page can end
// with "…", and a line "…" permits any other lines.
func isShown(want, got string) bool {
	wanted, rest := outputLines(want), outputLines(got)
	complete := true
	for _, line := range wanted {
		if line == "…" {
			complete = false
			continue
		}
		prefix, shortened := strings.CutSuffix(line, "…")
		i := slices.IndexFunc(rest, func(got string) bool { return got == line || shortened && strings.HasPrefix(got, prefix) })
		if i < 0 {
			return false
		}
		rest = slices.Delete(rest, i, i+1)
	}
	return !complete || len(rest) == 0
}

func TestIsShown(t *testing.T) {
	t.Parallel()
	const output = "WHAT   VALUE\nat     2026-11-30T12:00:13Z\nlines  3 of 3\n"
	for want, shown := range map[string]bool{
		"at 2025-01-01T00:00:00Z\nWHAT  VALUE\nlines 3 of 3": true,
		"…\nlines  3 of 3":              true,
		"WHAT …\nat …\nlines 3 …":       true,
		"WHAT VALUE\nlines 3 of 3":      false,
		"…\nlines  2 of 3":              false,
		"…\nlines 3 of 3\nlines 3 of 3": false,
		"":                              false,
	} {
		if isShown(want, output) != shown {
			t.Errorf("%q: want %t", want, shown)
		}
	}
}

// screen is an output that is read while it is written.
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestOperationsPage runs the commands of the page in their order, and compares their output with the page's.
func TestOperationsPage(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("there is no " + program)
		}
	}
	directory, binaries := t.TempDir(), programs.Directory(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(binaries, title)); err != nil {
		t.Fatal(err)
	}
	commands := steps(t)
	if len(commands) < 20 {
		t.Fatalf("the page has only %d commands", len(commands))
	}
	const start = `make run ARGS="`
	args, ok := strings.CutPrefix(commands[0].command, start)
	if !ok {
		t.Fatalf("the first command of the page is not %s", start)
	}

	var output screen
	ended := make(chan error, 1)
	ctx, interrupt := context.WithCancel(t.Context())
	args = strings.TrimSuffix(args, `"`)
	go func() {
		ended <- run(ctx, append(strings.Fields(args), "--binaries", binaries, "--directory", filepath.Join(directory, ".sandbox")), &output, &output)
	}()
	defer func() {
		interrupt()
		if err := <-ended; err != nil {
			t.Errorf("Ctrl-C: %v", err)
		}
	}()
	eventually(t, commands[0], output.String)
	for _, step := range commands[1:] {
		runCommand := func() string {
			command := exec.CommandContext(t.Context(), "bash", "-c", "source .sandbox/env && "+step.command)
			command.Dir = directory
			got, err := command.CombinedOutput()
			if err != nil {
				return err.Error() + "\n" + string(got)
			}
			return strings.ReplaceAll(string(got), directory+"/", "")
		}
		if changes := !strings.HasPrefix(step.command, "consumer ") || strings.Contains(step.command, "--yes"); changes {
			if got := runCommand(); !isShown(step.output, got) {
				t.Fatalf("%s\n%s\nThe page has:\n%s", step.command, got, step.output)
			}
			continue
		}
		eventually(t, step, runCommand)
	}
}

// eventually waits until the output is as on the page.
func eventually(t *testing.T, step step, output func() string) {
	t.Helper()
	const limit = 30 * time.Second
	for deadline := time.Now().Add(limit); ; time.Sleep(pollInterval) {
		got := output()
		switch {
		case isShown(step.output, got):
			return
		case time.Now().After(deadline):
			t.Fatalf("%s, after %s:\n%s\nThe page has:\n%s", step.command, limit, got, step.output)
		}
	}
}
