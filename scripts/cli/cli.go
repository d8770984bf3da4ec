// Package cli is how the programs below scripts begin and end: they work until they are
// interrupted, and end with an exit code that a Makefile can rely on.
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

// ErrUsage says that the program was called wrongly. In which way was said already.
var ErrUsage = errors.New("wrong usage")

// Status is an error with an exit code of its own. What there is to say was said already.
type Status struct {
	Code int
	Text string
}

func (s *Status) Error() string { return s.Text }

// Main is the program of that name: it ends with run, whose context ends when the program is
// interrupted.
func Main(name string, run func(ctx context.Context, args []string, stdout, stderr io.Writer) error) {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	cancel()
	os.Exit(ExitCode(name, err, os.Stderr))
}

// ExitCode is 0 for no error and for help, 2 for wrong usage, a Status's own, and 1 for any
// other error, which it tells.
func ExitCode(name string, err error, stderr io.Writer) int {
	status, own := errors.AsType[*Status](err)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, ErrUsage):
		return 2
	case own:
		return status.Code
	default:
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return 1
	}
}

// Parse reads the flags. Errors: flag.ErrHelp and ErrUsage.
func Parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err == nil || errors.Is(err, flag.ErrHelp) {
		return err
	}
	return ErrUsage // the flags have said what is wrong
}

// Complain says what is wrong with the usage, and returns ErrUsage.
func Complain(name string, stderr io.Writer, format string, args ...any) error {
	_, _ = fmt.Fprintf(stderr, name+": "+format+"\n", args...)
	return ErrUsage
}
