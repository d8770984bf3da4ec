package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/billable-events/billable/scripts/testbed"
)

const cpuProfile = "cpu.pprof"

// profile keeps a CPU profile of a consumer at work, and what it allocated.
func (s scenario) profile(ctx context.Context, consumer *testbed.Process) error {
	if s.Profile == "" {
		return nil
	}
	if err := os.MkdirAll(s.Profile, 0o750); err != nil {
		return err
	}
	seconds := max(int(s.Sample/time.Second), 1)
	return errors.Join(
		fetch(ctx, fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", consumer.Admin(), seconds), filepath.Join(s.Profile, cpuProfile)),
		fetch(ctx, consumer.Admin()+"/debug/pprof/allocs", filepath.Join(s.Profile, "allocs.pprof")),
	)
}

func fetch(ctx context.Context, url, file string) (err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("fetch a profile: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("fetch a profile: %s answers %s", url, response.Status)
	}
	kept, err := os.Create(file) //nolint:gosec // the directory is the caller's own
	if err != nil {
		return err
	}
	_, err = io.Copy(kept, response.Body)
	return errors.Join(err, kept.Close())
}

// top prints where a CPU profile spent its time: by function, and by the program's own
// functions with all that they call.
func top(ctx context.Context, out io.Writer, directory string) error {
	for _, args := range [][]string{
		{"-top", "-nodecount=30"},
		{"-top", "-nodecount=40", "-cum", "-show=billable-events"},
	} {
		args = append(append([]string{"tool", "pprof"}, args...), filepath.Join(directory, cpuProfile))
		pprof := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the directory is the caller's own
		pprof.Stdout, pprof.Stderr = out, os.Stderr
		if err := pprof.Run(); err != nil {
			return fmt.Errorf("go tool pprof: %w", err)
		}
	}
	return nil
}
