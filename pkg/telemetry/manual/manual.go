// Package manual reads docs/telemetry.md for the tests that hold it against the programs:
// what it lists has to be told, and what is told has to be listed.
package manual

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// file is the manual, seen from a package below pkg/.
const file = "../../docs/telemetry.md"

// table returns the rows of the table below a heading, its own heading left out.
func table(t *testing.T, heading string) [][]string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(content), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s has no section %q", file, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var rows [][]string
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			continue
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		rows = append(rows, cells)
	}
	const headings = 2 // titles and rule
	if len(rows) <= headings {
		t.Fatalf("the section %q has no table", heading)
	}
	return rows[headings:]
}

var quoted = regexp.MustCompile("`([^`]+)`")

// words returns what stands between backquotes.
func words(cell string) []string {
	var found []string
	for _, match := range quoted.FindAllStringSubmatch(cell, -1) {
		found = append(found, match[1])
	}
	return found
}

// word is the one that a cell begins with, or "" if it is prose.
func word(cell string) string {
	if found := words(cell); strings.HasPrefix(cell, "`") && len(found) > 0 {
		return found[0]
	}
	return ""
}
