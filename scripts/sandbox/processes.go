package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/billable-events/billable/scripts/testbed"
)

const stopTimeout = 45 * time.Second

// process is a receiver or a consumer, which is started again after it was killed.
type process struct {
	name    string
	command testbed.Command

	mu      sync.Mutex
	running *testbed.Process
	cpu     time.Duration // of all that ended
	killed  int
}

// start starts all processes and waits until they are ready.
func (s *system) start(ctx context.Context) error {
	for i := range s.options.receivers + s.options.consumers {
		p := &process{name: "consumer", command: testbed.Command{Env: s.consumerEnviron()}}
		if i < s.options.receivers {
			address, err := testbed.FreeAddress()
			if err != nil {
				return err
			}
			s.receivers = append(s.receivers, "http://"+address)
			p.name, p.command.Env = "receiver", append(s.receiverEnviron(), "BILLABLE_HTTP_ADDR="+address)
		}
		var err error
		if p.command.Admin, err = testbed.FreeAddress(); err != nil {
			return err
		}
		p.command.Binary = filepath.Join(s.options.binaries, p.name)
		p.command.Env = append(p.command.Env, callerSettings()...)
		if err := p.start(); err != nil {
			return err
		}
		s.processes = append(s.processes, p)
	}
	for _, p := range s.processes {
		if err := p.running.Ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// callerSettings returns the settings in the environment of the sandbox. They override the
// sandbox's own, except for addresses.
func callerSettings() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return !strings.HasPrefix(name, "BILLABLE_") || strings.HasSuffix(name, "_ADDR")
	})
}

func (p *process) start() (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running, err = testbed.Start(p.command)
	return err
}

func (p *process) signal(signal syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running.Signal(signal)
}

// wait waits until the process ended, and adds up its CPU time. It reports whether it ended in
// time.
func (p *process) wait(timeout <-chan time.Time) bool {
	select {
	case <-p.running.Exited():
	case <-timeout:
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cpu += p.running.ExitState().UserTime() + p.running.ExitState().SystemTime()
	return true
}

// chaos kills and pauses processes at random moments until ctx ends.
func (s *system) chaos(ctx context.Context) error {
	random := rand.New(rand.NewPCG(s.options.workload.Seed, 0x6b696c6c)) //nolint:gosec // the same seed gives the same choices
	var pauses sync.WaitGroup
	defer pauses.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(500*time.Millisecond + time.Duration(random.Int64N(int64(2*time.Second)))):
		}
		p := s.processes[random.IntN(len(s.processes))]
		if p.name == "consumer" && random.IntN(3) == 0 {
			// Longer than the lease, so that another consumer takes over.
			pause := lease + time.Duration(random.Int64N(int64(lease)))
			s.paused++
			p.signal(syscall.SIGSTOP)
			pauses.Go(func() {
				select {
				case <-ctx.Done():
				case <-time.After(pause):
				}
				p.signal(syscall.SIGCONT)
			})
			continue
		}
		p.signal(syscall.SIGKILL)
		p.wait(nil)
		p.killed++
		if err := p.start(); err != nil {
			return err
		}
	}
}

// stopAll stops all processes as an orchestrator does. It returns an error if one of them did not
// stop in time or with exit code 0.
func (s *system) stopAll() error {
	var errs []error
	for _, p := range s.processes {
		p.signal(syscall.SIGTERM)
	}
	timeout := time.After(stopTimeout)
	for _, p := range s.processes {
		if !p.wait(timeout) {
			p.signal(syscall.SIGKILL)
			p.wait(nil)
			errs = append(errs, fmt.Errorf("%s did not stop within %s", p.name, stopTimeout))
		} else if code := p.running.ExitState().ExitCode(); code != 0 {
			errs = append(errs, fmt.Errorf("%s exited with code %d", p.name, code))
		}
	}
	return errors.Join(errs...)
}

// RoundTrip sends each webhook to the next receiver, as a load balancer does.
func (s *system) RoundTrip(request *http.Request) (*http.Response, error) {
	target := s.receivers[s.next.Add(1)%uint64(len(s.receivers))]
	request = request.Clone(request.Context())
	request.URL.Host = strings.TrimPrefix(target, "http://")
	request.Host = ""
	return http.DefaultTransport.RoundTrip(request)
}
