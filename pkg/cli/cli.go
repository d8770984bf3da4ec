// Package cli has what the command lines of receiver and consumer share: exit codes and errors (cli.go), flags
// (flags.go), the formats of results (format.go, table.go, csv.go), and progress (progress.go).
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
	Done   = 0
	Failed = 1 // any error that is not Usage
	Usage  = 2 // a UsageError or a *config.Error
)

// AllowUnknownEnv is the name of the flag that sets config.Source.AllowUnknownEnv; AllowUnknownEnvHelp is its help.
const (
	AllowUnknownEnv     = "allow-unknown-env"
	AllowUnknownEnvHelp = "warn about unknown BILLABLE_ variables (default: refuse them)"
)

// Process has the arguments, the environment and the outputs of a process.
type Process struct {
	Args    []string // without the name of the program
	Environ []string // as os.Environ returns it
	Stdout  io.Writer
	Stderr  io.Writer
}

// Escaped returns the process with outputs that escape control characters: a terminal would execute them.
func (p Process) Escaped() Process {
	p.Stdout, p.Stderr = escape.Writer{Out: p.Stdout}, escape.Writer{Out: p.Stderr}
	return p
}

// UsageError is an error in arguments or settings.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e UsageError) Unwrap() error { return e.Err }

// Run runs the command of root that the arguments select, writes its error to Stderr, and returns the exit code. A
// command whose Args is nil takes no arguments.
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
	_, isUsageError := errors.AsType[UsageError](err)
	_, isConfigError := errors.AsType[*config.Error](err)
	if isUsageError || isConfigError {
		return Usage
	}
	return Failed
}

// writeError writes the error after the name of the program. Each invalid setting is on a line of its own.
func writeError(w io.Writer, program string, err error) {
	invalid, ok := errors.AsType[*config.Error](err)
	if !ok {
		_, _ = fmt.Fprintf(w, "%s: %s\n", program, err)
		return
	}
	_, _ = fmt.Fprintf(w, "%s: invalid settings:\n", program)
	for _, field := range invalid.Fields {
		_, _ = fmt.Fprintln(w, "  "+field.String())
	}
}

// setArgChecks makes the error of Args a UsageError, in cmd and all its subcommands. A nil Args becomes cobra.NoArgs.
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

// Version returns the version set by the build, or else the one that the Go toolchain recorded, or else (devel).
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// VersionCommand returns the command that prints the version of a program.
func VersionCommand(program string) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  " + program + " version",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s %s %s/%s\n", program, Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
