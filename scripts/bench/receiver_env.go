package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/billable-events/billable/pkg/webhook"
	"github.com/billable-events/billable/scripts/testbed"
)

const (
	username = "chargebee"
	password = "bench-password"
	// requestTimeout is somewhat longer than the receiver's.
	requestTimeout = 10 * time.Second
)

// server is a receiver or a baseline.
type server struct {
	*testbed.Process

	url string
}

// startServer starts a server, in the control group if there is one, and waits until it is ready.
func startServer(ctx context.Context, command testbed.Command, group *cgroup) (*server, error) {
	address, err := testbed.FreeAddress()
	if err != nil {
		return nil, err
	}
	if command.Admin, err = testbed.FreeAddress(); err != nil {
		return nil, err
	}
	command.Env = append(slices.Clone(command.Env),
		"BILLABLE_HTTP_ADDR="+address,
		"BILLABLE_ADMIN_ADDR="+command.Admin,
		"BILLABLE_AUTH_USERNAME="+username,
		"BILLABLE_AUTH_PASSWORD="+password,
		"BILLABLE_LOG_LEVEL=error", // rejected requests are counted by the generator
	)
	if group != nil {
		command.Binary, command.Args = group.command(command.Binary, command.Args...)
	}
	process, err := testbed.Start(command)
	if err != nil {
		return nil, err
	}
	s := &server{Process: process, url: "http://" + address + webhook.Path}
	if err := s.Ready(ctx); err != nil {
		s.kill()
		return nil, err
	}
	return s, nil
}

func (s *server) kill() {
	s.Signal(syscall.SIGKILL)
	<-s.Exited()
}

// env is the processes of one scenario: a queue, a load generator and a receiver.
type env struct {
	ctx      context.Context
	queue    *child
	load     *child
	environ  []string // of a receiver
	receiver *server
	group    *cgroup
	prober   *prober

	attacks int
	sent    map[string]bool // event ids
	answers []Answer
}

// skippedError is the reason for which a scenario cannot run on this machine.
type skippedError struct{ error }

// newEnv starts an env. With limits the receiver runs in a control group; if none can be made the
// error is a *skippedError.
func newEnv(ctx context.Context, binaries string, l *limits) (e *env, err error) {
	e = &env{ctx: ctx, sent: map[string]bool{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.close())
		}
	}()
	if l != nil {
		self, err := os.ReadFile("/proc/self/cgroup")
		if err == nil {
			e.group, err = newCgroup(cgroupRoot, string(self), fmt.Sprintf("billable-bench-%d-%d", os.Getpid(), time.Now().UnixNano()), *l)
		}
		if err != nil {
			return e, &skippedError{err}
		}
	}
	if e.queue, err = startChild(ctx, queueCommand); err != nil {
		return e, err
	}
	var address QueueAddress
	if err = e.queue.call("Open", 0, &address); err != nil {
		return e, err
	}
	e.environ = address.Environ
	if e.load, err = startChild(ctx, loadCommand); err != nil {
		return e, err
	}
	e.receiver, err = startServer(ctx, testbed.Command{Binary: filepath.Join(binaries, "receiver"), Env: e.environ}, e.group)
	if err == nil {
		e.prober = startProber(e.receiver.Admin() + "/livez")
	}
	return e, err
}

// close ends all processes and then removes the control group.
func (e *env) close() error {
	var errs []error
	if e.prober != nil {
		e.prober.stop()
	}
	if e.receiver != nil {
		e.receiver.kill()
	}
	for _, process := range []*child{e.load, e.queue} {
		if process != nil {
			errs = append(errs, process.stop())
		}
	}
	if e.group != nil {
		errs = append(errs, e.group.remove())
	}
	return errors.Join(errs...)
}

// attack loads a server.
func (e *env) attack(s *server, plan Plan) (result ReceiverResult, answers []Answer, err error) {
	e.attacks++
	plan.URL, plan.Username, plan.Password = s.url, username, password
	plan.Attack, plan.Timeout = e.attacks, requestTimeout
	if err := e.load.call("Prepare", plan, new(int)); err != nil {
		return result, nil, err
	}
	serverBefore, queueBefore, err := e.usage(s)
	if err != nil {
		return result, nil, err
	}
	var outcome Outcome
	if err := e.load.call("Run", 0, &outcome); err != nil {
		return result, nil, err
	}
	serverAfter, queueAfter, err := e.usage(s)
	if err != nil {
		return result, nil, err
	}
	answers = outcome.Answers
	result = ReceiverResult{
		Requests:     len(answers),
		Took:         outcome.Took,
		Latencies:    latencies(answers),
		Lateness:     percentile(sortedDurations(answers, func(a Answer) time.Duration { return a.Late }), 99),
		CPU:          serverAfter - serverBefore,
		QueueCPU:     queueAfter - queueBefore,
		GeneratorCPU: outcome.CPU,
	}
	result.OK, result.Unanswered = countAnswers(answers)
	result.fail(invalidAnswer(answers))
	return result, answers, nil
}

// usage returns the CPU time of a server and of the queue so far.
func (e *env) usage(s *server) (server, queue time.Duration, err error) {
	if server, err = cpuTime(s.PID()); err != nil {
		return 0, 0, fmt.Errorf("the server exited: %w", err)
	}
	queue, err = cpuTime(e.queue.pid())
	return server, queue, err
}

// attackReceiver loads the receiver, and keeps what was sent and answered for finish.
func (e *env) attackReceiver(plan Plan) (ReceiverResult, []Answer, error) {
	return e.attackRecorded(e.receiver, plan)
}

func (e *env) attackRecorded(s *server, plan Plan) (ReceiverResult, []Answer, error) {
	result, answers, err := e.attack(s, plan)
	for i := range answers {
		e.sent[eventIDOf(e.attacks, i)] = true
	}
	e.answers = append(e.answers, answers...)
	return result, answers, err
}

// attackCompared loads a baseline or the receiver. Two of them send events to the queue.
func (e *env) attackCompared(s *server, name string, plan Plan) (result ReceiverResult, err error) {
	if name == sendMessage || name == fullReceiver {
		result, _, err = e.attackRecorded(s, plan)
	} else {
		result, _, err = e.attack(s, plan)
	}
	return result, err
}

// finish compares the answers with the messages in the queue, and completes the result.
func (e *env) finish(result *ReceiverResult, overload bool) (err error) {
	var snapshot QueueSnapshot
	if err := e.queue.call("Snapshot", 0, &snapshot); err != nil {
		return err
	}
	delivery, wrong := checkDelivery(e.answers, e.sent, snapshot, overload)
	result.Delivery, result.Calls = delivery, snapshot.Calls
	result.fail(wrong)
	result.Probes = e.prober.stop()
	if result.PollsFailed > 0 {
		result.fail(fmt.Errorf("%d of %d requests to /livez failed", result.PollsFailed, result.Polls))
	}
	result.PeakMemory, err = peakMemory(e.receiver.PID())
	return err
}

// prober requests /livez each second, with a timeout of a second.
type prober struct {
	attacker *vegeta.Attacker
	done     chan struct{}
	probes   Probes
}

// Probes are the results of a prober.
type Probes struct {
	Polls       int           `json:"polls"`
	PollsFailed int           `json:"polls_failed"`
	SlowestPoll time.Duration `json:"slowest_poll_ns"`
}

func startProber(url string) *prober {
	p := &prober{attacker: vegeta.NewAttacker(vegeta.Timeout(time.Second)), done: make(chan struct{})}
	targeter := vegeta.NewStaticTargeter(vegeta.Target{Method: http.MethodGet, URL: url})
	go func() {
		defer close(p.done)
		for result := range p.attacker.Attack(targeter, vegeta.Rate{Freq: 1, Per: time.Second}, 0, "") {
			p.probes.Polls++
			p.probes.SlowestPoll = max(p.probes.SlowestPoll, result.Latency)
			if result.Code != http.StatusOK {
				p.probes.PollsFailed++
			}
		}
	}()
	return p
}

// stop stops the prober and returns its results. It can be called again.
func (p *prober) stop() Probes {
	p.attacker.Stop()
	<-p.done
	return p.probes
}
