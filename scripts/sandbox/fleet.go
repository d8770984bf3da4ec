package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	startLimit = 30 * time.Second
	stopLimit  = 45 * time.Second
)

// process is one of the two binaries, started again when it is killed.
type process struct {
	name    string // receiver or consumer
	binary  string
	env     []string
	url     string // of its main listener; consumers have none
	admin   string
	stopped chan struct{} // closed when it is not to be started again

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
	cpu    time.Duration // of all that were started and ended
	killed int
}

// fleet is all receivers and consumers.
type fleet struct {
	processes []*process
	receivers []string // their URLs
	next      atomic.Uint64
	paused    atomic.Int64
	once      sync.Once
	stopErr   error
}

// startFleet starts all processes and waits until they are ready.
func startFleet(ctx context.Context, o options, w *world) (*fleet, error) {
	f := &fleet{}
	for i := range o.receivers + o.consumers {
		p := &process{name: "receiver", env: w.receiverEnvironment(), stopped: make(chan struct{})}
		if i >= o.receivers {
			p.name, p.env = "consumer", w.consumerEnvironment()
		}
		p.binary = filepath.Join(o.binaries, p.name)
		p.env = append(p.env, callersSettings()...)
		if err := p.addresses(); err != nil {
			return nil, err
		}
		if p.url != "" {
			f.receivers = append(f.receivers, p.url)
		}
		if err := p.start(); err != nil {
			_ = f.stop()
			return nil, err
		}
		f.processes = append(f.processes, p)
	}
	for _, p := range f.processes {
		if err := p.ready(ctx); err != nil {
			_ = f.stop()
			return nil, err
		}
	}
	return f, nil
}

// callersSettings are the settings in the environment of whoever runs the sandbox:
// they count more than the sandbox's own, but for addresses.
func callersSettings() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return !strings.HasPrefix(name, "BILLABLE_") || strings.HasSuffix(name, "_ADDR")
	})
}

// addresses chooses free ports.
func (p *process) addresses() error {
	admin, err := freeAddress()
	if err != nil {
		return err
	}
	p.admin = "http://" + admin
	p.env = append(p.env, "BILLABLE_ADMIN_ADDR="+admin)
	if p.name == "receiver" {
		addr, err := freeAddress()
		if err != nil {
			return err
		}
		p.url = "http://" + addr
		p.env = append(p.env, "BILLABLE_HTTP_ADDR="+addr)
	}
	return nil
}

func freeAddress() (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("look for a free port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}

func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	cmd := exec.Command(p.binary) //nolint:gosec,noctx // the directory is the caller's own; it is stopped by signals
	cmd.Env = p.env
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.binary, err)
	}
	exited := make(chan struct{})
	p.cmd, p.exited = cmd, exited
	go func() {
		_ = cmd.Wait() // its exit code is read from the state
		p.mu.Lock()
		p.cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		p.mu.Unlock()
		close(exited)
	}()
	return nil
}

// ready waits until the process says that it can do its job.
func (p *process) ready(ctx context.Context) error {
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
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (p *process) signal(signal syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.cmd.Process.Signal(signal) // it may have ended
}

// kill ends the process without a word and starts it again.
func (p *process) kill() error {
	p.signal(syscall.SIGKILL)
	<-p.exited
	p.killed++
	return p.start()
}

// havoc kills and pauses processes at random moments until ctx ends.
func (f *fleet) havoc(ctx context.Context, seed uint64) error {
	random := rand.New(rand.NewPCG(seed, 0x6b696c6c)) //nolint:gosec // the same seed gives the same choices
	var pauses sync.WaitGroup
	defer pauses.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(500*time.Millisecond + time.Duration(random.Int64N(int64(2*time.Second)))):
		}
		victim := f.processes[random.IntN(len(f.processes))]
		if victim.name == "consumer" && random.IntN(3) == 0 {
			// Long enough that another one takes its work over.
			pause := lease + time.Duration(random.Int64N(int64(lease)))
			f.paused.Add(1)
			victim.signal(syscall.SIGSTOP)
			pauses.Go(func() {
				select {
				case <-ctx.Done():
				case <-time.After(pause):
				}
				victim.signal(syscall.SIGCONT)
			})
			continue
		}
		if err := victim.kill(); err != nil {
			return err
		}
	}
}

// stop ends all processes as an orchestrator does, and returns an error if one did
// not end well. Further calls return the same.
func (f *fleet) stop() error {
	f.once.Do(func() {
		var errs []error
		for _, p := range f.processes {
			p.signal(syscall.SIGTERM)
		}
		deadline := time.After(stopLimit)
		for _, p := range f.processes {
			select {
			case <-p.exited:
				if code := p.cmd.ProcessState.ExitCode(); code != 0 {
					errs = append(errs, fmt.Errorf("%s ended with code %d", p.name, code))
				}
			case <-deadline:
				p.signal(syscall.SIGKILL)
				<-p.exited
				errs = append(errs, fmt.Errorf("%s did not end within %s", p.name, stopLimit))
			}
		}
		f.stopErr = errors.Join(errs...)
	})
	return f.stopErr
}

// RoundTrip sends each webhook to the next receiver, as a load balancer would.
func (f *fleet) RoundTrip(request *http.Request) (*http.Response, error) {
	target := f.receivers[f.next.Add(1)%uint64(len(f.receivers))]
	request = request.Clone(request.Context())
	request.URL.Host = target[len("http://"):]
	request.Host = ""
	return http.DefaultTransport.RoundTrip(request)
}
