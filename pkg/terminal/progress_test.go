package terminal_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/billable-events/billable/pkg/terminal"
)

func TestProgressWithoutATerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	progress := terminal.NewProgress(&out, "replayed")
	var steps sync.WaitGroup
	for range 2500 {
		steps.Go(func() { progress.Add(1) })
	}
	steps.Wait()
	progress.Done()
	if got := out.String(); got != "replayed: 1000\nreplayed: 2000\n" {
		t.Errorf("got %q", got)
	}
}
