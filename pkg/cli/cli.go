// Package cli holds what the command lines of both binaries share: arguments, environment and
// output of the process, exit codes, and how errors and results are shown (cli.go, table.go,
// progress.go).
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/config"
)

// The exit codes.
const (
	Done   = 0 // also a clean drain, an empty list, a dry run
	Failed = 1 // also a drain past its deadline, an unknown id
	Usage  = 2 // wrong arguments or settings
)

// Process is what a program needs of its surroundings.
type Process struct {
	Args    []string // without the program's name
	Environ []string // as of os.Environ
	Stdout  io.Writer
	Stderr  io.Writer
}

// UsageError is a mistake in arguments or settings.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the mistake.
func (e UsageError) Unwrap() error { return e.Err }

// Run runs the command until it is done or ctx ends, tells what went wrong, and
// returns the exit code.
func Run(ctx context.Context, process Process, root *cobra.Command) int {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return UsageError{err} })
	root.SetArgs(process.Args)
	root.SetOut(process.Stdout)
	root.SetErr(process.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return Done
	}
	writeError(process.Stderr, root.Name(), err)
	if _, ok := errors.AsType[UsageError](err); ok {
		return Usage
	}
	return Failed
}

// complain writes an error for a person, each fault of the settings on its line.
func writeError(w io.Writer, name string, err error) {
	faults, ok := errors.AsType[*config.Error](err)
	if !ok {
		_, _ = fmt.Fprintf(w, "%s: %s\n", name, err)
		return
	}
	_, _ = fmt.Fprintf(w, "%s: the settings are wrong:\n", name)
	for _, fault := range faults.Fields {
		_, _ = fmt.Fprintln(w, "  "+fault.String())
	}
}

// Args makes arguments that the check refuses a usage error.
func Args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return UsageError{fmt.Errorf("%s: %w", cmd.CommandPath(), err)}
		}
		return nil
	}
}

// version is set by the build (-ldflags "-X …/pkg/cli.version=v1.2.3"); without
// it, what the Go toolchain recorded counts.
var version string

// Version returns the program's version.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// VersionCommand returns the command that prints the version of the named program.
func VersionCommand(name string) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s %s %s/%s\n", name, Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
