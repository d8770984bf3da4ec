package testbed

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

const (
	readyTimeout  = time.Minute
	readyInterval = 50 * time.Millisecond
)

// Command is the command line of a program with an admin listener.
type Command struct {
	Binary string
	Args   []string
	Admin  string // address of its admin listener; defaults to FreeAddress
	Env    []string
	Output io.Writer // defaults to this program's standard error
}

// Process is a program that was started.
type Process struct {
	name    string
	admin   string
	command *exec.Cmd
	exited  chan struct{}
}

// FreeAddress returns an unused address on loopback.
func FreeAddress() (string, error) {
	var url string
	listener, err := listen(loopback, &url)
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// Start starts a process.
func Start(command Command) (*Process, error) {
	if command.Admin == "" {
		var err error
		if command.Admin, err = FreeAddress(); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command(command.Binary, command.Args...) //nolint:gosec,noctx // the binary is the caller's own; it is stopped by signals
	cmd.Env = append(slices.Clone(command.Env), "BILLABLE_ADMIN_ADDR="+command.Admin)
	output := command.Output
	if output == nil {
		output = os.Stderr
	}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", command.Binary, err)
	}
	p := &Process{name: filepath.Base(command.Binary), admin: "http://" + command.Admin, command: cmd, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // ExitState has the result
		close(p.exited)
	}()
	return p, nil
}

// Ready waits until /readyz of the process answers 200.
func (p *Process) Ready(ctx context.Context) error {
	return p.waitFor(ctx, p.admin+"/readyz", func(status int) bool { return status == http.StatusOK })
}

// Answers waits until a path of the process has any answer.
func (p *Process) Answers(ctx context.Context, path string) error {
	return p.waitFor(ctx, p.admin+path, func(int) bool { return true })
}

func (p *Process) waitFor(ctx context.Context, url string, isReady func(status int) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("%s was not ready within %s", p.name, readyTimeout))
	defer cancel()
	return Poll(ctx, readyInterval, func() (bool, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false, err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
			if isReady(response.StatusCode) {
				return true, nil
			}
		}
		select {
		case <-p.exited:
			return false, fmt.Errorf("%s exited before it was ready", p.name)
		default:
			return false, nil
		}
	})
}

// Admin returns the URL of the admin listener.
func (p *Process) Admin() string { return p.admin }

// PID returns the id of the process.
func (p *Process) PID() int { return p.command.Process.Pid }

// Signal sends a signal to the process, if it is still running.
func (p *Process) Signal(signal os.Signal) { _ = p.command.Process.Signal(signal) }

// Stop sends a signal to the process and waits until it has ended. It reports whether the process ended in
// time; otherwise it was killed.
func (p *Process) Stop(signal os.Signal, timeout time.Duration) bool {
	p.Signal(signal)
	select {
	case <-p.exited:
		return true
	case <-time.After(timeout):
		p.Kill()
		return false
	}
}

// Kill kills the process and waits until it has ended.
func (p *Process) Kill() {
	p.Signal(os.Kill)
	<-p.exited
}

// Exited returns a channel that is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// ExitState returns the result of the process after Exited is closed.
func (p *Process) ExitState() *os.ProcessState { return p.command.ProcessState }
