package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/billable-events/billable/pkg/retry"
	"github.com/billable-events/billable/scripts/testbed"
)

const (
	stopTimeout  = 45 * time.Second
	restartDelay = 200 * time.Millisecond
)

// process is a receiver or a consumer, which is started again whenever it ends.
type process struct {
	name    string // for example consumer 2
	log     string // file
	command testbed.Command

	mu      sync.Mutex
	running *testbed.Process
	cpu     time.Duration // of all that ended
}

// start starts all processes and waits until they are ready. They are stopped when ctx ends, or by
// s.stop.
func (s *system) start(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var supervisors errgroup.Group
	s.stop = sync.OnceValue(func() error {
		cancel()
		return supervisors.Wait()
	})
	for i := range s.options.receivers {
		address, err := testbed.FreeAddress()
		if err != nil {
			return err
		}
		s.receivers = append(s.receivers, "http://"+address)
		if err := s.add("receiver", i+1, append(s.receiverEnviron(), "BILLABLE_HTTP_ADDR="+address)); err != nil {
			return err
		}
	}
	for i := range s.options.consumers {
		if err := s.add("consumer", i+1, s.consumerEnviron()); err != nil {
			return err
		}
	}
	var starting []*testbed.Process
	for _, p := range s.processes {
		if err := p.start(); err != nil {
			return err
		}
		starting = append(starting, p.running)
		supervisors.Go(func() error { return s.supervise(ctx, p) })
	}
	for i, process := range starting {
		if err := process.Ready(ctx); err != nil {
			return fmt.Errorf("%w; its log is %s", err, s.processes[i].log)
		}
	}
	return nil
}

// add adds a process, which writes its log to a file.
func (s *system) add(program string, number int, environ []string) error {
	p := &process{name: fmt.Sprintf("%s %d", program, number), log: filepath.Join(s.options.directory, fmt.Sprintf("%s-%d.log", program, number))}
	admin, err := testbed.FreeAddress()
	if err != nil {
		return err
	}
	log, err := os.Create(p.log)
	if err != nil {
		return err
	}
	p.command = testbed.Command{
		Binary: filepath.Join(s.options.binaries, program),
		Admin:  admin,
		Env:    append(environ, "BILLABLE_LOG_LEVEL=info"),
		Output: log,
	}
	s.processes = append(s.processes, p)
	return nil
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

// supervise starts a process again whenever it ends, until ctx ends. Then it stops the process. The
// error is not nil if the process exited by itself, or did not stop in time and with exit code 0.
func (s *system) supervise(ctx context.Context, p *process) (err error) {
	for {
		select {
		case <-ctx.Done():
			return errors.Join(err, p.stop())
		case <-p.running.Exited():
		}
		code := p.recordExit()
		if retry.Wait(ctx, restartDelay, nil) != nil { // Ctrl-C in a terminal interrupts all processes
			return err
		}
		if code < 0 {
			s.killed.Add(1)
			s.printf("%s was killed and is started again", p.name)
		} else {
			err = fmt.Errorf("%s exited by itself with code %d; its log is %s", p.name, code, p.log)
			s.printf("%v; it is started again", err)
		}
		if err := p.start(); err != nil {
			return err
		}
	}
}

// recordExit adds up the CPU time of a process that ended. It returns the exit code, or -1 if a signal
// ended it.
func (p *process) recordExit() (code int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	state := p.running.ExitState()
	p.cpu += state.UserTime() + state.SystemTime()
	return state.ExitCode()
}

// stop stops the process as an orchestrator does.
func (p *process) stop() error {
	p.mu.Lock()
	running := p.running
	p.mu.Unlock()
	inTime := running.Stop(syscall.SIGTERM, stopTimeout)
	code := p.recordExit()
	switch {
	case !inTime:
		return fmt.Errorf("%s did not stop within %s; its log is %s", p.name, stopTimeout, p.log)
	case code > 0: // below 0: it was started just now, and does not handle signals yet
		return fmt.Errorf("%s exited with code %d; its log is %s", p.name, code, p.log)
	}
	return nil
}

// chaos kills and pauses processes at random moments until ctx ends.
func (s *system) chaos(ctx context.Context) {
	random := rand.New(rand.NewPCG(s.options.workload.Seed, 0x6b696c6c)) //nolint:gosec // the same seed gives the same choices
	var pauses sync.WaitGroup
	defer pauses.Wait()
	for retry.Wait(ctx, 500*time.Millisecond+time.Duration(random.Int64N(int64(2*time.Second))), nil) == nil {
		p := s.processes[random.IntN(len(s.processes))]
		if !strings.HasPrefix(p.name, "consumer") || random.IntN(3) > 0 {
			p.signal(syscall.SIGKILL)
			continue
		}
		// Longer than the lease, so that another consumer takes over.
		pause := lease + time.Duration(random.Int64N(int64(lease)))
		s.paused++
		s.printf("%s is paused for %.1f s", p.name, pause.Seconds())
		p.signal(syscall.SIGSTOP)
		pauses.Go(func() {
			_ = retry.Wait(ctx, pause, nil) // continued also if ctx ends
			p.signal(syscall.SIGCONT)
		})
	}
}

// RoundTrip sends each webhook to the next receiver, as a load balancer does.
func (s *system) RoundTrip(request *http.Request) (*http.Response, error) {
	target := s.receivers[s.next.Add(1)%uint64(len(s.receivers))]
	request = request.Clone(request.Context())
	request.URL.Host = strings.TrimPrefix(target, "http://")
	request.Host = ""
	return http.DefaultTransport.RoundTrip(request)
}
