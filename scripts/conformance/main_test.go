package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/billable-events/billable/scripts/cli"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"--only bogus", "--bogus", "now"} {
		var stderr bytes.Buffer
		if err := run(t.Context(), strings.Fields(args), io.Discard, &stderr); !errors.Is(err, cli.ErrUsage) || stderr.Len() == 0 {
			t.Errorf("%s: %v %s", args, err, stderr.String())
		}
	}
}

// TestRunner_ExitCode: a surprise counts more than a skipped part.
func TestRunner_ExitCode(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		surprises []string
		errs      []error
		code      int
		output    string
	}{
		"as expected":       {nil, []error{nil}, 0, "as expected  it: right"},
		"a surprise":        {[]string{"x fails"}, []error{nil}, 1, "x fails"},
		"a failure":         {nil, []error{errors.New("no luck")}, 1, "no luck"},
		"skipped":           {nil, []error{nil, fmt.Errorf("java %w", errNoTool)}, 3, "skipped      it: java is not installed"},
		"skipped and wrong": {nil, []error{errNoTool, errors.New("no luck")}, 1, "no luck"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			p := &runner{out: &out}
			for _, err := range test.errs {
				p.try("it", func() (string, []string, error) { return "right", test.surprises, err })
			}
			if code := cli.ExitCode(title, p.result(t.Context()), io.Discard); code != test.code || !strings.Contains(out.String(), test.output) {
				t.Errorf("exit code %d, want %d:\n%s", code, test.code, out.String())
			}
		})
	}
	if code := cli.ExitCode(title, flag.ErrHelp, io.Discard); code != 0 {
		t.Errorf("--help ends with %d", code)
	}
	if code := cli.ExitCode(title, cli.ErrUsage, io.Discard); code != 2 {
		t.Errorf("wrong usage ends with %d", code)
	}
}
