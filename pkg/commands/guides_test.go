package commands_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/commands"
)

var (
	snippets   = regexp.MustCompile("(?s)```.*?```|`[^`]+`")
	documented = regexp.MustCompile(`(?m)(?:^|[` + "`" + `$] ?)consumer((?: [a-z]+)+)([^` + "`" + `\n#]*)`)
	flags      = regexp.MustCompile(`--([a-z][a-z-]+)`)
)

// Each command in the docs exists with its flags.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	guides, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	guides = slices.DeleteFunc(guides, func(guide string) bool { return strings.HasSuffix(guide, "telemetry.md") }) // lines of logs
	for _, guide := range append(guides, "../../README.md") {
		content, err := os.ReadFile(guide)
		if err != nil {
			t.Fatal(err)
		}
		for _, snippet := range snippets.FindAllString(string(content), -1) {
			for _, found := range documented.FindAllStringSubmatch(snippet, -1) {
				seen++
				help := helpOf(t, strings.Fields(found[1]))
				if help == "" {
					t.Errorf("%s: there is no command %q", guide, found[1])
				}
				for _, flag := range flags.FindAllStringSubmatch(found[2], -1) {
					if !strings.Contains(help, "--"+flag[1]) {
						t.Errorf("%s: %q has no flag --%s", guide, found[1], flag[1])
					}
				}
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d commands were found", seen)
	}
}

// helpOf returns the help of the command at the beginning of the words. The other words may be its
// arguments.
func helpOf(t *testing.T, words []string) string {
	t.Helper()
	for ; len(words) > 0; words = words[:len(words)-1] {
		var help strings.Builder
		exit := commands.Main(t.Context(), cli.Process{Args: append(slices.Clone(words), "--help"), Stdout: &help, Stderr: &help})
		if exit == 0 && strings.Contains(help.String(), "consumer "+strings.Join(words, " ")) {
			return help.String()
		}
	}
	return ""
}

// Each command has an example of itself, with flags that it has.
func TestExamples(t *testing.T) {
	t.Parallel()
	seen := 0
	var visit func(words []string)
	visit = func(words []string) {
		help := helpOf(t, words)
		_, subcommands, isGroup := strings.Cut(help, "Available Commands:\n")
		for line := range strings.Lines(subcommands) {
			if !strings.HasPrefix(line, "  ") {
				break
			}
			if name := strings.Fields(line)[0]; name != "completion" && name != "help" {
				visit(append(slices.Clone(words), name))
			}
		}
		if isGroup {
			return
		}
		seen++
		_, example, _ := strings.Cut(help, "Examples:\n")
		example, _, _ = strings.Cut(example, "\n\n")
		if !strings.HasPrefix(example, "  consumer "+strings.Join(words, " ")) {
			t.Errorf("%s has no example: %s", words, help)
		}
		for _, flag := range flags.FindAllStringSubmatch(example, -1) {
			if !strings.Contains(strings.Replace(help, example, "", 1), "--"+flag[1]) {
				t.Errorf("%s has no flag --%s", words, flag[1])
			}
		}
	}
	for _, word := range []string{"run", "check", "console", "sweep", "pause", "resume", "tables", "invoice", "dlq", "version"} {
		visit([]string{word})
	}
	if seen < 16 {
		t.Errorf("only %d commands were found", seen)
	}
}
