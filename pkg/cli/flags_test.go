package cli_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/cli"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"0s": 0, "90m": 90 * time.Minute, "48h": 2 * day, "7d": 7 * day, "1d12h": 36 * time.Hour, "0d": 0,
	} {
		if got, err := cli.ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: got %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "5", "d", "-1h", "-1d", "1d-2h", "1.5d", "2h1d", "1d1d", "999999d", "99999d200000h", "day"} {
		if got, err := cli.ParseDuration(text); err == nil || !strings.Contains(err.Error(), "48h or 7d") {
			t.Errorf("%q: got %s, %v", text, got, err)
		}
	}
}

func TestParseChoices(t *testing.T) {
	t.Parallel()
	allowed := []string{"too_old", "line_limits", "line_removed"}
	if got, err := cli.ParseChoices(" too_old,line_limits", allowed); err != nil || !slices.Equal(got, allowed[:2]) {
		t.Errorf("got %v, %v", got, err)
	}
	for list, want := range map[string]string{
		"line_limit":   `invalid value "line_limit": did you mean "line_limits"? It must be one of too_old, line_limits, line_removed`,
		"too-old":      `did you mean "too_old"?`,
		"bogus":        `invalid value "bogus": must be one of too_old, `,
		"":             `invalid value "": must be one of`,
		"too_old,":     `invalid value "": must be one of`,
		"too_old,more": `invalid value "more": must be`,
	} {
		if got, err := cli.ParseChoices(list, allowed); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, %v", list, got, err)
		}
	}
}

// A flag or an argument without a value is wrong usage, in every command.
func TestRun_EmptyValues(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		code int
	}{
		{[]string{"list", "--reason", "x"}, cli.Done},
		{[]string{"list", "id"}, cli.Done},
		{[]string{"list", "--older", "7d"}, cli.Done},
		{[]string{"list", "--reason", ""}, cli.Usage},
		{[]string{"list", "--reason", " "}, cli.Usage},
		{[]string{"list", ""}, cli.Usage},
		{[]string{"list", "--older", ""}, cli.Usage},
		{[]string{"list", "--older", "-7d"}, cli.Usage},
	} {
		list := &cobra.Command{Use: "list", Args: cobra.ArbitraryArgs, RunE: func(*cobra.Command, []string) error { return nil }}
		list.Flags().String("reason", "", "")
		var older time.Duration
		cli.DurationVar(list.Flags(), &older, "older", 0, "")
		root := &cobra.Command{Use: "tool"}
		root.AddCommand(list)
		var stderr bytes.Buffer
		if code := cli.Run(t.Context(), cli.Process{Args: test.args, Stdout: &stderr, Stderr: &stderr}, root); code != test.code {
			t.Errorf("%q: exit code %d, %s", test.args, code, &stderr)
		}
	}
}
