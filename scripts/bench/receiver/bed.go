package receiver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/billable-events/billable/pkg/webhook"
	"github.com/billable-events/billable/scripts/bench/cgroup"
	"github.com/billable-events/billable/scripts/bench/child"
	"github.com/billable-events/billable/scripts/bench/load"
	"github.com/billable-events/billable/scripts/bench/machine"
	"github.com/billable-events/billable/scripts/bench/standin"
	"github.com/billable-events/billable/scripts/testbed"
)

// The children that this program becomes.
const (
	StandInCommand = "stand-in"
	LoadCommand    = "load"
	RungCommand    = "rung"
)

const (
	username = "chargebee"
	password = "bench-password"
)

// server is a server that is measured.
type server struct {
	*testbed.Process

	url string
}

// start starts a server, in the group if there is one, and waits until it is ready.
func start(ctx context.Context, command testbed.Command, group *cgroup.Group) (*server, error) {
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
		"BILLABLE_LOG_LEVEL=error", // what it refuses is seen from outside
	)
	if group != nil {
		command.Binary, command.Args = group.Command(command.Binary, command.Args...)
	}
	process, err := testbed.Start(command)
	if err != nil {
		return nil, err
	}
	s := &server{Process: process, url: "http://" + address + webhook.Path}
	if err := s.Ready(ctx); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// end kills the server: there is nothing left to lose.
func (s *server) end() {
	s.Signal(syscall.SIGKILL)
	<-s.Exited()
}

// bed is what a scenario needs, all of it new: a queue, a receiver, a load generator.
type bed struct {
	ctx      context.Context
	standIn  *child.Process
	load     *child.Process
	queue    standin.Opened
	receiver *server
	group    *cgroup.Group

	attacks int             // so far
	sent    map[string]bool // events
	answers []load.Answer   // to all of them
	pulse   *pulse
}

// quarter is the part of a machine that a receiver has in production.
var quarter = cgroup.Limits{CPU: 0.25, Memory: 256 << 20}

// skippedError says why a scenario cannot be run here.
type skippedError struct{ reason error }

func (e *skippedError) Error() string { return e.reason.Error() }

// newBed makes a bed. With limits the receiver runs in a control group of its own; a
// *skippedError says that there can be none.
func newBed(ctx context.Context, binaries string, limits *cgroup.Limits) (b *bed, err error) {
	b = &bed{ctx: ctx, sent: map[string]bool{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if limits != nil {
		if b.group, err = makeGroup(*limits); err != nil {
			return b, &skippedError{err}
		}
	}
	if b.standIn, err = child.Start(ctx, StandInCommand); err != nil {
		return b, err
	}
	if err = b.standIn.Ask(standin.Open, &b.queue); err != nil {
		return b, err
	}
	if b.load, err = child.Start(ctx, LoadCommand); err != nil {
		return b, err
	}
	b.receiver, err = start(ctx, testbed.Command{
		Binary: filepath.Join(binaries, "receiver"),
		Env:    b.queue.Environment,
	}, b.group)
	if err == nil {
		b.pulse = feel(ctx, b.receiver.Admin()+"/livez")
	}
	return b, err
}

func makeGroup(limits cgroup.Limits) (*cgroup.Group, error) {
	self, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	return cgroup.Make(cgroup.Root, string(self), fmt.Sprintf("billable-bench-%d-%d", os.Getpid(), time.Now().UnixNano()), limits)
}

// close ends all processes, and removes the group after the one that was in it.
func (b *bed) close() error {
	var failed []error
	if b.pulse != nil {
		b.pulse.stop()
	}
	if b.receiver != nil {
		b.receiver.end()
	}
	for _, process := range []*child.Process{b.load, b.standIn} {
		if process != nil {
			failed = append(failed, process.Stop())
		}
	}
	if b.group != nil {
		failed = append(failed, b.group.Remove())
	}
	return errors.Join(failed...)
}

// order tells the queue how to behave.
func (b *bed) order(order standin.Order) error { return b.standIn.Ask(order, &struct{}{}) }

// used is what the processes have used so far, in CPU time.
type used struct{ server, standIn time.Duration }

func (b *bed) used(of *server) (used, error) {
	var u used
	var err error
	if u.server, err = machine.ProcessCPU(of.PID()); err != nil {
		return u, err
	}
	u.standIn, err = machine.ProcessCPU(b.standIn.PID())
	return u, err
}

// timeout is how long a request may take: somewhat longer than a receiver lets it.
const timeout = 10 * time.Second

// attack lets a load come over a server. Of the result nothing is filled in that is
// known only at the end.
func (b *bed) attack(of *server, plan load.Plan) (Result, []load.Answer, error) {
	b.attacks++
	plan.URL, plan.Username, plan.Password = of.url, username, password
	plan.Attack, plan.Timeout = b.attacks, timeout
	if err := b.load.Ask(load.Order{Prepare: &plan}, &struct{}{}); err != nil {
		return Result{}, nil, err
	}
	before, err := b.used(of)
	if err != nil {
		return Result{}, nil, err
	}
	var outcome load.Outcome
	if err := b.load.Ask(load.Order{}, &outcome); err != nil {
		return Result{}, nil, err
	}
	after, err := b.used(of)
	if err != nil {
		return Result{}, nil, fmt.Errorf("the server has ended: %w", err)
	}
	answers := outcome.Answers
	result := Result{
		Requests:     len(answers),
		OK:           successes(answers),
		Unanswered:   unanswered(answers),
		Took:         outcome.Took,
		Latencies:    latencies(answers),
		Lateness:     lateness(answers),
		CPU:          after.server - before.server,
		StandInCPU:   after.standIn - before.standIn,
		GeneratorCPU: outcome.CPU,
	}
	result.fail(improper(answers))
	return result, answers, nil
}

// besiege is attack on a server whose events go into the queue: what was sent and
// answered is kept for the account at the end.
func (b *bed) besiege(of *server, plan load.Plan) (Result, []load.Answer, error) {
	result, answers, err := b.attack(of, plan)
	for i := range answers {
		b.sent[load.EventID(b.attacks, i)] = true
	}
	b.answers = append(b.answers, answers...)
	return result, answers, err
}

func lateness(answers []load.Answer) time.Duration {
	late := make([]load.Answer, len(answers))
	for i, answer := range answers {
		late[i].Took = answer.Late
	}
	return latencies(late).P99
}

// settle ends a scenario's result: what was answered is compared with what the queue
// holds.
func (b *bed) settle(result *Result, tooMuch bool) error {
	var stock standin.Stock
	if err := b.standIn.Ask(standin.Count, &stock); err != nil {
		return err
	}
	account, wrong := verify(b.answers, b.sent, stock, tooMuch)
	result.Extra, result.Twice, result.Messages, result.Calls = account.Extra, account.Twice, account.Messages, stock.Calls
	result.fail(wrong)
	beats := b.pulse.stop()
	result.Polls, result.PollsFailed, result.SlowestPoll = beats.polls, beats.failed, beats.slowest
	if beats.failed > 0 {
		result.fail(fmt.Errorf("%d of %d polls of /livez failed", beats.failed, beats.polls))
	}
	var err error
	result.PeakMemory, err = machine.PeakMemory(b.receiver.PID())
	return err
}
