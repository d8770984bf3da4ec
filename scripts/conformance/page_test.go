package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of docs/conformance.md")

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
		begin, end := "<!-- "+name+": go test ./scripts/conformance -run TestPage -update -->\n", "<!-- end of "+name+" -->"
		before, rest, found := strings.Cut(text, begin)
		_, after, closed := strings.Cut(rest, end)
		if !found || !closed {
			return "", fmt.Errorf("%s has no section between %q and %q", page, begin, end)
		}
		text = before + begin + "\n" + content + "\n" + end + after
	}
	return text, nil
}

// TestPage holds what people read against what is known.
func TestPage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../" + page)
	if err != nil {
		t.Fatal(err)
	}
	made, err := filled(string(text))
	if err == nil && *update {
		err = os.WriteFile("../../"+page, []byte(made), 0o600)
	} else if made != string(text) {
		t.Errorf("%s is not as it has to be: go test ./scripts/conformance -run TestPage -update", page)
	}
	if err != nil {
		t.Error(err)
	}
	if _, err := filled("no sections"); err == nil {
		t.Error("a page without sections was filled")
	}
	for file, pinned := range map[string]string{"requirements.txt": `==(.+)`, "elasticmq/pom.xml": `elasticmq-server.*\s*<version>(.+)</version>`} {
		list, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(pinned).FindAllStringSubmatch(string(list), -1)
		if len(found) == 0 {
			t.Errorf("%s pins nothing", file)
		}
		for _, version := range found {
			if !strings.Contains(string(text), version[1]) {
				t.Errorf("%s does not say that %s has %s", page, file, version[1])
			}
		}
	}
}
