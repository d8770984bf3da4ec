package commandline_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/commandline"
	"github.com/billable-events/billable/pkg/config"
)

func TestRun(t *testing.T) {
	t.Parallel()
	faults := &config.Error{Faults: []config.Fault{{Key: "a.b", Problem: "is wrong"}, {Key: "c", Problem: "too"}}}
	for name, test := range map[string]struct {
		args   string
		err    error
		code   int
		stdout string
		stderr string
	}{
		"done":            {"", nil, commandline.Done, "ran", ""},
		"failed":          {"", errors.New("no luck"), commandline.Failed, "", "tool: no luck\n"},
		"wrong usage":     {"", commandline.UsageError{Err: errors.New("not so")}, commandline.Usage, "", "tool: not so\n"},
		"wrapped":         {"", fmt.Errorf("more: %w", commandline.UsageError{Err: errors.New("not so")}), commandline.Usage, "", "tool: more: not so\n"},
		"wrong settings":  {"", commandline.UsageError{Err: faults}, commandline.Usage, "", "tool: the settings are wrong:\n  a.b: is wrong\n  c: too\n"},
		"unknown flag":    {"--bogus", nil, commandline.Usage, "", "unknown flag: --bogus"},
		"an argument":     {"now", nil, commandline.Usage, "", "tool: tool: "},
		"of a subcommand": {"version now", nil, commandline.Usage, "", "tool: tool version: "},
		"help":            {"--help", nil, commandline.Done, "Usage:", ""},
		"version":         {"version", nil, commandline.Done, "tool " + commandline.Version() + " go1.", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := &cobra.Command{Use: "tool", Args: commandline.Args(cobra.NoArgs), RunE: func(cmd *cobra.Command, _ []string) error {
				if test.err == nil {
					_, _ = fmt.Fprint(cmd.OutOrStdout(), "ran")
				}
				return test.err
			}}
			root.AddCommand(commandline.VersionCommand("tool"))
			var stdout, stderr bytes.Buffer
			code := commandline.Run(t.Context(), commandline.Process{Args: strings.Fields(test.args), Stdout: &stdout, Stderr: &stderr}, root)
			if code != test.code || !strings.Contains(stdout.String(), test.stdout) || !strings.Contains(stderr.String(), test.stderr) {
				t.Errorf("exit code %d\n%s\n%s", code, stdout.String(), stderr.String())
			}
			if (code == commandline.Done) != (stderr.Len() == 0) {
				t.Errorf("exit code %d with %q", code, stderr.String())
			}
		})
	}
}
