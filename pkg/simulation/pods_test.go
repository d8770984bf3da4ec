package simulation_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/consumer"
	"github.com/billable-events/billable/pkg/receiver"
)

// startPods starts all pods, and keeps them running until ctx ends.
func (e *env) startPods(ctx context.Context) {
	for i := range e.scenario.receivers {
		e.pods.Go(func() {
			time.Sleep(e.scenario.receiversFrom)
			e.supervise(ctx, fmt.Sprintf("receiver%d", i+1), e.runReceiver)
		})
	}
	for i := range e.scenario.consumers {
		run := e.runConsumer
		if e.scenario.autoscaled {
			run = e.runAutoscaled
		}
		e.pods.Go(func() { e.supervise(ctx, fmt.Sprintf("consumer%d", i+1), run) })
	}
}

// supervise runs a pod until ctx ends. It replaces one that crashed or was drained.
func (e *env) supervise(ctx context.Context, name string, run func(context.Context, *process) error) {
	for number := 1; ctx.Err() == nil; number++ {
		p := e.process(fmt.Sprintf("%s.%d", name, number))
		p.unreliable = true
		random := e.rng.rand("life", p.name)
		half := e.scenario.consumer.Clock.MaxSkew * 9 / 20
		p.skew = between(random, -half, half)
		downtime := between(random, 100*time.Millisecond, 5*time.Second)
		if longest := e.scenario.maxDowntime; longest > 0 && !e.faultsOff.Load() {
			downtime = between(random, longest/2, longest)
		}

		life, end := context.WithCancel(ctx)
		drain := time.AfterFunc(between(random, 5*time.Second, e.scenario.chaos), func() {
			if e.scenario.drains && !e.faultsOff.Load() {
				e.timeline.logf(p.name, "is drained")
				end()
			}
		})
		ended := make(chan error, 1)
		e.pods.Go(func() { ended <- run(life, p) })
		select {
		case err := <-ended:
			e.timeline.logf(p.name, "ended: %v", err)
			if err != nil && ctx.Err() != nil && !p.hasCrashed() && !p.wasPaused() {
				e.violations.addf("%s did not drain: %v", p.name, err)
			}
		case <-p.crashed: // its goroutines continue, without a network
		}
		drain.Stop()
		end()
		select {
		case <-time.After(downtime):
		case <-ctx.Done():
		}
	}
}

func (e *env) runConsumer(ctx context.Context, p *process) error {
	settings := e.scenario.consumer
	if len(e.scenario.charges) > 0 && e.rng.rand("knows the catalog", p.name).IntN(4) > 0 { // it is being rolled out, or back
		settings.Charges = e.scenario.charges
	}
	if e.rotatesAPIKey() && coin(e.rng.rand("API key", p.name)) {
		settings.Chargebee.APIKey = "next_key"
	}
	c, err := consumer.New(settings, e.deps(p), e.logger(p))
	if err != nil {
		return err
	}
	return c.Work(ctx)
}

// deps returns what a consumer, or a command, is given.
func (e *env) deps(p *process) consumer.Deps {
	return consumer.Deps{AWS: e.aws(p), Now: p.now, Chargebee: link{p, site, e.api()}}
}

// runAutoscaled runs a consumer while there are messages.
func (e *env) runAutoscaled(ctx context.Context, p *process) error {
	random := e.rng.rand("scale", p.name)
	scaled, end := context.WithCancel(ctx)
	defer end()
	await := func(messages bool) bool {
		for (len(e.queues.Messages(queueName)) > 0) != messages {
			select {
			case <-time.After(between(random, 2*time.Second, 4*time.Second)):
			case <-ctx.Done():
				return false
			}
		}
		return true
	}
	if !await(true) {
		return nil
	}
	ended := make(chan error, 1)
	go func() { ended <- e.runConsumer(scaled, p) }()
	if await(false) {
		e.timeline.logf(p.name, "is scaled in")
	}
	end()
	return <-ended
}

func (e *env) runReceiver(ctx context.Context, p *process) error {
	r := receiver.New(e.scenario.receiver, receiver.Deps{AWS: e.aws(p)}, e.logger(p))
	remove := e.ingress.add(p, r.Handler())
	select {
	case <-ctx.Done():
	case <-p.crashed:
	}
	remove()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return r.Close(closing)
}

// ingress is the load balancer in front of the receivers.
type ingress struct {
	caller *process

	mu       sync.Mutex
	backends []*backend
	next     int
}

type backend struct {
	process *process
	handler http.Handler
}

// add sends requests to a receiver until remove is called.
func (i *ingress) add(p *process, handler http.Handler) (remove func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	added := &backend{p, handler}
	i.backends = append(i.backends, added)
	slices.SortFunc(i.backends, func(a, b *backend) int { return strings.Compare(a.process.name, b.process.name) })
	return func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.backends = slices.DeleteFunc(i.backends, func(b *backend) bool { return b == added })
	}
}

// choose returns the backends in turn; nil: there is none.
func (i *ingress) choose() *backend {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.backends) == 0 {
		return nil
	}
	i.next++
	return i.backends[i.next%len(i.backends)]
}

// RoundTrip implements http.RoundTripper.
func (i *ingress) RoundTrip(request *http.Request) (*http.Response, error) {
	to := i.choose()
	if to == nil {
		return nil, errReset
	}
	body, err := readBody(request)
	if err != nil {
		return nil, err
	}
	call := describe(request, body)
	request = request.Clone(request.Context())
	request.Body = io.NopCloser(bytes.NewReader(body))
	to.process.awaitResume("take " + call)
	response, err := link{i.caller, webhooks, to.handler}.RoundTrip(request)
	to.process.awaitResume("answer " + call)
	if to.process.hasCrashed() {
		return nil, errReset
	}
	return response, err
}

// logger returns a logger that writes into the timeline.
func (e *env) logger(p *process) zerolog.Logger {
	return zerolog.New(podLog{p}).Level(zerolog.InfoLevel)
}

type podLog struct{ process *process }

// logLine is the part of a log line that is recorded and checked.
type logLine struct {
	Level     string         `json:"level"`
	Message   string         `json:"message"`
	InvoiceID string         `json:"invoice_id"`
	Outcome   string         `json:"outcome"`
	Reason    billing.Reason `json:"reason"`
}

// Write implements io.Writer. It gets one line at a time. An error that is not the outcome of a
// session, or about the credentials, which scenarios refuse, is an alarm.
func (l podLog) Write(line []byte) (int, error) {
	if l.process.hasCrashed() {
		return len(line), nil
	}
	e := l.process.env
	e.timeline.logf(l.process.name, "%s", bytes.TrimSpace(line))
	var logged logLine
	switch err := json.Unmarshal(line, &logged); {
	case logged.Message == "message handled":
		e.recorder.recordSession(l.process.name, logged)
	case e.scenario.rewrites && logged.Message == "event does not match the ledger":
	case logged.Message == "Chargebee refused the API key or the site":
	case err != nil || logged.Level == "error":
		e.violations.addf("%s: an alarm: %s", l.process.name, bytes.TrimSpace(line))
	}
	return len(line), nil
}
