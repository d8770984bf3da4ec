// Package cli is the main function of the programs below scripts: context, flags and exit codes.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// ErrUsage is a usage error that was already printed.
var ErrUsage = errors.New("usage error")

// ExitError is an error with an exit code of its own, already printed.
type ExitError struct {
	Code int
	Text string
}

func (e *ExitError) Error() string { return e.Text }

// Main runs a program until it returns or is interrupted, and exits.
func Main(name string, run func(ctx context.Context, args []string, stdout, stderr io.Writer) error) {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	cancel()
	os.Exit(ExitCode(name, err, os.Stderr))
}

// ExitCode returns 0 for no error and for help, 2 for a usage error, the code of an ExitError, and
// 1 for any other error, which it prints.
func ExitCode(name string, err error, stderr io.Writer) int {
	exit, ok := errors.AsType[*ExitError](err)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, ErrUsage):
		return 2
	case ok:
		return exit.Code
	default:
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return 1
	}
}

// Parse parses the flags of a program that takes no other arguments. It returns flag.ErrHelp or
// ErrUsage.
func Parse(flags *flag.FlagSet, args []string) error {
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return ErrUsage // the flag set has printed it
	case flags.NArg() > 0:
		return Usagef(flags.Name(), flags.Output(), "unexpected argument %q", flags.Arg(0))
	}
	return nil
}

// Usagef prints a usage error and returns ErrUsage.
func Usagef(name string, stderr io.Writer, format string, args ...any) error {
	_, _ = fmt.Fprintf(stderr, name+": "+format+"\n", args...)
	return ErrUsage
}
