package cli_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/billable-events/billable/pkg/cli"
)

func TestProgress_WithoutTerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	progress := cli.NewProgress(&out, "replayed")
	var steps sync.WaitGroup
	for range 2500 {
		steps.Go(func() { progress.Add(1) })
	}
	steps.Wait()
	progress.Finish()
	if got := out.String(); got != "replayed: 1000\nreplayed: 2000\n" {
		t.Errorf("got %q", got)
	}
}

// The reason is written once.
func TestProgress_Wait(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	progress := cli.NewProgress(&out, "replayed")
	for range 2 {
		progress.Wait("month\x1b[2J end")
		progress.Wait("month\x1b[2J end")
		progress.Add(1)
	}
	progress.Wait("another reason")
	progress.Finish()
	want := "replayed: 0, waiting: month\\u001b[2J end\nreplayed: 1, waiting: month\\u001b[2J end\nreplayed: 2, waiting: another reason\n"
	if got := out.String(); got != want {
		t.Errorf("got %q", got)
	}
}
