package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// page documents what is run, and what is known to differ.
const page = "docs/conformance.md"

// sections returns the generated parts of the page.
func sections() map[string]string {
	return map[string]string{"counts": counts(), "differences": differences()}
}

func counts() string {
	var b strings.Builder
	b.WriteString("| emulator | suite | checks | pass | known to differ | skipped |\n|---|---|--:|--:|--:|--:|\n")
	for _, suite := range suites {
		tally := suite.expected()
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d | %d |\n", suite.emulator, suite.service, len(suite.checks), tally.passed, tally.differ, tally.skipped)
	}
	return b.String()
}

func differences() string {
	var b strings.Builder
	b.WriteString("| emulator | check | what it does instead |\n|---|---|---|\n")
	for _, suite := range suites {
		for _, check := range slices.Sorted(maps.Keys(suite.known)) {
			fmt.Fprintf(&b, "| %s | %s: %s | %s |\n", suite.emulator, suite.service, check, suite.known[check])
		}
	}
	return b.String()
}

// filled returns the text of a page with generated sections. Each is between a comment with
// its name and one that ends it.
func filled(text string) (string, error) {
	for name, content := range sections() {
		begin, end := "<!-- "+name+": go run ./scripts/conformance --page -->\n", "<!-- end of "+name+" -->"
		before, rest, found := strings.Cut(text, begin)
		_, after, closed := strings.Cut(rest, end)
		if !found || !closed {
			return "", fmt.Errorf("%s has no section between %q and %q", page, begin, end)
		}
		text = before + begin + "\n" + content + "\n" + end + after
	}
	return text, nil
}

// rewrite fills the sections of the page.
func rewrite(file string) error {
	text, err := os.ReadFile(file) //nolint:gosec // the page of this project
	if err != nil {
		return err
	}
	made, err := filled(string(text))
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(made), 0o600) //nolint:gosec // the page of this project
}
