package cli_test

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/billable-events/billable/scripts/cli"
)

func TestExitCode(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err    error
		want   int
		output string
	}{
		"done":        {nil, 0, ""},
		"help":        {flag.ErrHelp, 0, ""},
		"wrong usage": {fmt.Errorf("parse: %w", cli.ErrUsage), 2, ""},
		"its own":     {fmt.Errorf("parts: %w", &cli.ExitError{Code: 3, Text: "were left out"}), 3, ""},
		"failed":      {errors.New("no luck"), 1, "name: no luck\n"},
	} {
		var stderr strings.Builder
		if code := cli.ExitCode("name", test.err, &stderr); code != test.want || stderr.String() != test.output {
			t.Errorf("%s: exit code %d, %q", name, code, stderr.String())
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]error{"": nil, "-n 1": nil, "-h": flag.ErrHelp, "-n x": cli.ErrUsage, "-m": cli.ErrUsage, "more": cli.ErrUsage} {
		flags := flag.NewFlagSet("name", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		flags.Int("n", 0, "")
		if err := cli.Parse(flags, strings.Fields(args)); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", args, err, want)
		}
	}
}

func TestUsagef(t *testing.T) {
	t.Parallel()
	var stderr strings.Builder
	if err := cli.Usagef("name", &stderr, "not %q", "x"); !errors.Is(err, cli.ErrUsage) || stderr.String() != "name: not \"x\"\n" {
		t.Errorf("%v, %q", err, stderr.String())
	}
}
