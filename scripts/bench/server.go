package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/billable-events/billable/pkg/webhook"
	"github.com/billable-events/billable/scripts/testbed"
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
	command.Env = append(slices.Clone(command.Env),
		"BILLABLE_HTTP_ADDR="+address,
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
	s := &server{process, "http://" + address + webhook.Path}
	if err := s.Ready(ctx); err != nil {
		s.Kill()
		return nil, err
	}
	return s, nil
}

// env is a queue and a receiver, which are started for each scenario.
type env struct {
	queue    *queue
	receiver *server
	group    *cgroup
	livez    *prober

	webhooks int64    // that were sent
	accepted []string // event ids
}

// newEnv starts an env. With limits the receiver runs in a control group; if none can be made the
// error is a *skippedError.
func newEnv(ctx context.Context, binaries string, l *limits) (e *env, err error) {
	e = &env{}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.close())
		}
	}()
	if l != nil {
		if e.group, err = newCgroup(cgroupRoot, fmt.Sprintf("billable-bench-%d", time.Now().UnixNano()), *l); err != nil {
			return e, &skippedError{err}
		}
	}
	if e.queue, err = newQueue(ctx); err != nil {
		return e, err
	}
	e.receiver, err = startServer(ctx, testbed.Command{Binary: filepath.Join(binaries, "receiver"), Env: e.environ()}, e.group)
	if err == nil {
		e.livez = startProber(e.receiver.Admin() + "/livez")
	}
	return e, err
}

// skippedError is the reason for which a scenario cannot run on this machine.
type skippedError struct{ error }

func (e *env) environ() []string {
	return append(e.queue.AWSEnviron(), "BILLABLE_QUEUE_URL="+e.queue.QueueURL)
}

// close ends the receiver and then removes the control group.
func (e *env) close() error {
	if e.livez != nil {
		e.livez.stop()
	}
	if e.receiver != nil {
		e.receiver.Kill()
	}
	if e.queue != nil {
		e.queue.Close()
	}
	if e.group != nil {
		return e.group.remove()
	}
	return nil
}

// run loads a server, and measures its CPU time.
func (e *env) run(ctx context.Context, s *server, l load) (answers, figures, error) {
	before, _, err := usage(s.PID())
	if err != nil {
		return answers{}, nil, err
	}
	l.URL, l.First = s.url, e.webhooks
	a, err := l.run(ctx)
	if err != nil {
		return answers{}, nil, err
	}
	e.webhooks += int64(len(a.Results))
	after, peak, err := usage(s.PID())
	if err != nil {
		return answers{}, nil, fmt.Errorf("the server exited: %w", err)
	}
	f := a.figures()
	f["peak, MB"] = megabytes(peak)
	f[cpuPerRequest] = microseconds(after-before) / max(f["requests"], 1)
	if a.Invalid != "" {
		err = errors.New(a.Invalid)
	}
	return a, f, err
}

// runReceiver loads the receiver, and completes the figures. The CPU time includes that of the garbage
// collection which the load causes.
func (e *env) runReceiver(ctx context.Context, l load) (answers, figures, error) {
	sends := e.queue.sends.Load()
	a, f, err := e.run(ctx, e.receiver, l)
	if err != nil {
		return a, nil, err
	}
	e.accepted = append(e.accepted, a.Accepted...)
	f["messages per call"] = float64(len(a.Accepted)) / max(float64(e.queue.sends.Load()-sends), 1)
	return a, f, nil
}

// finish checks that no event is lost, and that the receiver was always alive.
func (e *env) finish(copies bool) error {
	polls := e.livez.stop()
	if failed := polls.Requests - uint64(polls.StatusCodes["200"]); failed > 0 {
		return fmt.Errorf("%d of %d requests to /livez failed", failed, polls.Requests)
	}
	return e.queue.check(e.accepted, copies)
}

// prober requests a URL each second, with a timeout of a second.
type prober struct {
	attacker *vegeta.Attacker
	done     chan struct{}
	metrics  vegeta.Metrics
}

func startProber(url string) *prober {
	p := &prober{attacker: vegeta.NewAttacker(vegeta.Timeout(time.Second)), done: make(chan struct{})}
	targeter := vegeta.NewStaticTargeter(vegeta.Target{Method: http.MethodGet, URL: url})
	go func() {
		defer close(p.done)
		for result := range p.attacker.Attack(targeter, vegeta.Rate{Freq: 1, Per: time.Second}, 0, "") {
			p.metrics.Add(result)
		}
		p.metrics.Close()
	}()
	return p
}

// stop stops the prober and returns its results. It can be called again.
func (p *prober) stop() vegeta.Metrics {
	p.attacker.Stop()
	<-p.done
	return p.metrics
}
