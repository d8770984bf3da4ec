package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/billable-events/billable/scripts/testbed"
)

// consumers are running processes.
type consumers []*testbed.Process

// start starts a consumer and waits until it is ready.
func (c *consumers) start(ctx context.Context, env *testbed.Env, binaries string, settings ...string) error {
	process, err := testbed.Start(testbed.Command{Binary: filepath.Join(binaries, "consumer"), Env: append(env.ConsumerEnviron(), settings...)})
	if err != nil {
		return err
	}
	*c = append(*c, process)
	return process.Ready(ctx)
}

func (c *consumers) kill() {
	for _, process := range *c {
		process.Kill()
	}
}

// usage returns the CPU time of all consumers and the peak memory of the largest one so far.
func (c *consumers) usage() (cpu time.Duration, peak int64, err error) {
	for _, process := range *c {
		each, memory, err := usage(process.PID())
		if err != nil {
			return 0, 0, err
		}
		cpu += each
		peak = max(peak, memory)
	}
	return cpu, peak, nil
}

// writeProfile writes a CPU profile of a process at work and its allocations to a directory, and prints
// the functions with the most.
func writeProfile(ctx context.Context, process *testbed.Process, directory string) error {
	if directory == "" {
		return nil
	}
	if err := os.MkdirAll(directory, 0o750); err != nil {
		return err
	}
	pprof := func(args ...string) error {
		cmd := exec.CommandContext(ctx, "go", append([]string{"tool", "pprof", "-top", "-nodecount=40"}, args...)...) //nolint:gosec // the address is that of the process
		cmd.Env = append(os.Environ(), "PPROF_TMPDIR="+directory)                                                     // where pprof keeps what it reads
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		return cmd.Run()
	}
	return errors.Join(pprof("-seconds=5", process.Admin()+"/debug/pprof/profile"), pprof("-sample_index=alloc_space", process.Admin()+"/debug/pprof/allocs"))
}
