// Package cli has the shared parts of both command lines: exit codes and errors (cli.go), flags (flags.go), results
// (format.go, table.go, csv.go), and progress (progress.go).
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
	"github.com/billable-events/billable/pkg/escape"
)

// The exit codes.
const (
	Done   = 0 // also after a clean drain, an empty list or a dry run
	Failed = 1 // also after a drain timeout, or for an unknown id
	Usage  = 2 // invalid arguments or settings
)

// AllowUnknownEnv is the flag of config.Source.AllowUnknownEnv, which both programs have.
const (
	AllowUnknownEnv     = "allow-unknown-env"
	AllowUnknownEnvHelp = "warn about unknown BILLABLE_ variables (default: refuse them)"
)

// Process has the arguments, the environment and the output of a process.
type Process struct {
	Args    []string // without the name of the program
	Environ []string // as of os.Environ
	Stdout  io.Writer
	Stderr  io.Writer
}

// Escaped returns the process with outputs that escape what a terminal would execute.
func (p Process) Escaped() Process {
	p.Stdout, p.Stderr = escape.Writer{Out: p.Stdout}, escape.Writer{Out: p.Stderr}
	return p
}

// UsageError is an error in arguments or settings.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the error.
func (e UsageError) Unwrap() error { return e.Err }

// Run runs the command until it is done or ctx ends, writes its error, and returns the exit code. Commands without Args
// take no arguments.
func Run(ctx context.Context, process Process, root *cobra.Command) int {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return UsageError{err} })
	root.PersistentPreRunE = rejectEmpty
	setArgChecks(root)
	root.SetArgs(process.Args)
	root.SetOut(process.Stdout)
	root.SetErr(process.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return Done
	}
	writeError(process.Stderr, root.Name(), err)
	_, wrongUsage := errors.AsType[UsageError](err)
	_, invalidSettings := errors.AsType[*config.Error](err)
	if wrongUsage || invalidSettings {
		return Usage
	}
	return Failed
}

func writeError(w io.Writer, name string, err error) {
	invalid, ok := errors.AsType[*config.Error](err)
	if !ok {
		_, _ = fmt.Fprintf(w, "%s: %s\n", name, err)
		return
	}
	_, _ = fmt.Fprintf(w, "%s: invalid settings:\n", name)
	for _, field := range invalid.Fields {
		_, _ = fmt.Fprintln(w, "  "+field.String())
	}
}

// setArgChecks makes a command and those below it check their arguments. Wrong ones are usage errors.
func setArgChecks(cmd *cobra.Command) {
	check := cmd.Args
	if check == nil {
		check = cobra.NoArgs
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return UsageError{fmt.Errorf("%s: %w", cmd.CommandPath(), err)}
		}
		return nil
	}
	for _, child := range cmd.Commands() {
		setArgChecks(child)
	}
}

// version is set by the build: -ldflags "-X …/pkg/cli.version=v1.2.3".
var version string

// Version returns the version set by the build, or else the one that the Go toolchain recorded.
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
		Use:     "version",
		Short:   "Print the version",
		Example: "  " + name + " version",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s %s %s/%s\n", name, Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
