package testbed

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	startLimit = 30 * time.Second
	lookEvery  = 50 * time.Millisecond
)

// Command is how one of the binaries is started, or a program that stands in for one.
type Command struct {
	Binary string
	Args   []string
	Admin  string // address of its admin listener, see FreeAddress
	Env    []string
}

// Process is one of the binaries, running or ended. Its output is this program's
// standard error.
type Process struct {
	name    string
	admin   string
	command *exec.Cmd
	exited  chan struct{}
}

// FreeAddress is an address on loopback that nobody listens on.
func FreeAddress() (string, error) {
	listener, _, err := listen(loopback)
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// Start starts a process.
func Start(command Command) (*Process, error) {
	cmd := exec.Command(command.Binary, command.Args...) //nolint:gosec,noctx // the binary is the caller's own; it is stopped by signals
	cmd.Env = append(slices.Clone(command.Env), "BILLABLE_ADMIN_ADDR="+command.Admin)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", command.Binary, err)
	}
	p := &Process{name: strings.Join(append([]string{filepath.Base(command.Binary)}, command.Args...), " "), admin: "http://" + command.Admin, command: cmd, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // its exit code is read from the state
		close(p.exited)
	}()
	return p, nil
}

// Ready waits until the process says that it can do its job.
func (p *Process) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.admin+"/readyz", nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready within %s", p.name, startLimit)
		case <-p.exited:
			return fmt.Errorf("%s ended at once", p.name)
		case <-time.After(lookEvery):
		}
	}
}

// Admin is the URL of the admin listener.
func (p *Process) Admin() string { return p.admin }

// PID is the number that the system gave the process.
func (p *Process) PID() int { return p.command.Process.Pid }

// Signal sends a signal to the process; one that has ended does not mind.
func (p *Process) Signal(signal os.Signal) { _ = p.command.Process.Signal(signal) }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// State tells how the process ended. It may be called once Exited is closed.
func (p *Process) ExitState() *os.ProcessState { return p.command.ProcessState }
