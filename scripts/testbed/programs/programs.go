// Package programs makes a test binary the receiver and the consumer, so that tests start both as
// processes without building them, and with the race detector where the test has it.
package programs

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/commands"
	"github.com/billable-events/billable/pkg/lifecycle"
	"github.com/billable-events/billable/pkg/receiver"
)

var mains = map[string]func(context.Context, cli.Process) int{"receiver": receiver.Main, "consumer": commands.Main}

// RunIfCalled runs a program and exits if the test binary was called by the program's name. TestMain
// calls it first.
func RunIfCalled() {
	main, ok := mains[filepath.Base(os.Args[0])]
	if !ok {
		return
	}
	ctx, cancel := lifecycle.SignalContext(context.Background())
	defer cancel()
	os.Exit(main(ctx, cli.Process{Args: os.Args[1:], Environ: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr})) //nolint:gocritic // the process ends
}

// Directory returns a directory with both programs.
func Directory(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	for name := range mains {
		if err := os.Symlink(self, filepath.Join(directory, name)); err != nil {
			t.Fatal(err)
		}
	}
	return directory
}
