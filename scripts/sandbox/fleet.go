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
	"sync/atomic"
	"syscall"
	"time"

	"github.com/billable-events/billable/scripts/testbed"
)

const stopLimit = 45 * time.Second

// process is one of the two binaries, started again when it is killed.
type process struct {
	name    string // receiver or consumer
	command testbed.Command
	url     string // of its main listener; consumers have none

	mu      sync.Mutex
	running *testbed.Process
	cpu     time.Duration // of all that were started and ended
	killed  int
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
		p := &process{name: "receiver", command: testbed.Command{Env: w.receiverEnvironment()}}
		if i >= o.receivers {
			p.name, p.command.Env = "consumer", w.consumerEnvironment()
		}
		p.command.Binary = filepath.Join(o.binaries, p.name)
		p.command.Env = append(p.command.Env, callersSettings()...)
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
		if err := p.running.Ready(ctx); err != nil {
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
func (p *process) addresses() (err error) {
	if p.command.Admin, err = testbed.FreeAddress(); err != nil {
		return err
	}
	if p.name == "receiver" {
		addr, err := testbed.FreeAddress()
		if err != nil {
			return err
		}
		p.url = "http://" + addr
		p.command.Env = append(p.command.Env, "BILLABLE_HTTP_ADDR="+addr)
	}
	return nil
}

func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	running, err := testbed.Start(p.command)
	if err != nil {
		return err
	}
	p.running = running
	return nil
}

// ended waits for the process and adds up what it used.
func (p *process) ended(limit <-chan time.Time) bool {
	select {
	case <-p.running.Exited():
	case <-limit:
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cpu += p.running.State().UserTime() + p.running.State().SystemTime()
	return true
}

func (p *process) signal(signal syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running.Signal(signal)
}

// kill ends the process without a word and starts it again.
func (p *process) kill() error {
	p.signal(syscall.SIGKILL)
	p.ended(nil)
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
			if !p.ended(deadline) {
				p.signal(syscall.SIGKILL)
				p.ended(nil)
				errs = append(errs, fmt.Errorf("%s did not end within %s", p.name, stopLimit))
			} else if code := p.running.State().ExitCode(); code != 0 {
				errs = append(errs, fmt.Errorf("%s ended with code %d", p.name, code))
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
