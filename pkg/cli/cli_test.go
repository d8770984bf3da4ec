package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
)

func TestRun(t *testing.T) {
	t.Parallel()
	faults := &config.Error{Fields: []config.FieldError{{Key: "a.b", Problem: "is wrong"}, {Key: "c", Problem: "too"}}}
	for name, test := range map[string]struct {
		args   string
		err    error
		code   int
		stdout string
		stderr string
	}{
		"done":            {"", nil, cli.Done, "ran", ""},
		"failed":          {"", errors.New("no luck"), cli.Failed, "", "tool: no luck\n"},
		"wrong usage":     {"", cli.UsageError{Err: errors.New("not so")}, cli.Usage, "", "tool: not so\n"},
		"wrapped":         {"", fmt.Errorf("more: %w", cli.UsageError{Err: errors.New("not so")}), cli.Usage, "", "tool: more: not so\n"},
		"wrong settings":  {"", cli.UsageError{Err: faults}, cli.Usage, "", "tool: invalid settings:\n  a.b: is wrong\n  c: too\n"},
		"unknown flag":    {"--bogus", nil, cli.Usage, "", "unknown flag: --bogus"},
		"an argument":     {"now", nil, cli.Usage, "", "tool: tool: "},
		"of a subcommand": {"version now", nil, cli.Usage, "", "tool: tool version: "},
		"help":            {"--help", nil, cli.Done, "Usage:", ""},
		"version":         {"version", nil, cli.Done, "tool " + cli.Version() + " go1.", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := &cobra.Command{Use: "tool", RunE: func(cmd *cobra.Command, _ []string) error {
				if test.err == nil {
					_, _ = fmt.Fprint(cmd.OutOrStdout(), "ran")
				}
				return test.err
			}}
			root.AddCommand(cli.VersionCommand("tool"))
			var stdout, stderr bytes.Buffer
			code := cli.Run(t.Context(), cli.Process{Args: strings.Fields(test.args), Stdout: &stdout, Stderr: &stderr}, root)
			if code != test.code || !strings.Contains(stdout.String(), test.stdout) || !strings.Contains(stderr.String(), test.stderr) {
				t.Errorf("exit code %d\n%s\n%s", code, stdout.String(), stderr.String())
			}
			if (code == cli.Done) != (stderr.Len() == 0) {
				t.Errorf("exit code %d with %q", code, stderr.String())
			}
		})
	}
}
