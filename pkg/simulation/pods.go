package simulation

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	consumerroot "github.com/billable-events/billable/pkg/consumer"
	receiverroot "github.com/billable-events/billable/pkg/receiver"
)

// startPods starts all pods, and keeps them running until ctx ends.
func (w *world) startPods(ctx context.Context) {
	for i := range w.plan.receivers {
		w.pods.Go(func() {
			time.Sleep(w.plan.opening)
			w.keep(ctx, fmt.Sprintf("receiver%d", i+1), w.runReceiver)
		})
	}
	for i := range w.plan.consumers {
		run := w.runConsumer
		if w.plan.scaled {
			run = w.runScaled
		}
		w.pods.Go(func() { w.keep(ctx, fmt.Sprintf("consumer%d", i+1), run) })
	}
}

// keep runs a pod until ctx ends: one that crashed or was drained is replaced.
func (w *world) keep(ctx context.Context, name string, run func(context.Context, *process) error) {
	for number := 1; ctx.Err() == nil; number++ {
		p := w.process(fmt.Sprintf("%s.%d", name, number))
		p.frail = true
		random := w.dice.of("life", p.name)
		half := w.plan.consumer.Clock.MaxSkew * 9 / 20
		p.skew = between(random, -half, half)
		pause := between(random, 100*time.Millisecond, 5*time.Second)
		if w.plan.downtime > 0 && !w.calm.Load() {
			pause = between(random, w.plan.downtime/2, w.plan.downtime)
		}

		life, end := context.WithCancel(ctx)
		drained := time.AfterFunc(between(random, 5*time.Second, w.plan.chaos), func() {
			if w.plan.drains && !w.calm.Load() {
				w.timeline.notef(p.name, "is drained")
				end()
			}
		})
		ended := make(chan error, 1)
		w.pods.Go(func() { ended <- run(life, p) })
		select {
		case err := <-ended:
			w.timeline.notef(p.name, "ended: %v", err)
			if err != nil && ctx.Err() != nil && !p.dead() && !p.stood() {
				w.faults.addf("%s did not drain: %v", p.name, err)
			}
		case <-p.crashed: // whatever still runs there reaches nobody
		}
		drained.Stop()
		end()
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

func (w *world) runConsumer(ctx context.Context, p *process) error {
	settings := w.plan.consumer
	if len(w.plan.charges) > 0 && w.dice.of("knows the catalog", p.name).IntN(4) > 0 { // it is being rolled out, or back
		settings.Charges = w.plan.charges
	}
	consumer, err := consumerroot.New(settings, consumerroot.Deps{
		AWS:       w.aws(p),
		Now:       p.now,
		Chargebee: link{p, site, w.api()},
	}, w.logger(p))
	if err != nil {
		return err
	}
	return consumer.Work(ctx)
}

// runScaled runs a consumer from the time that there are messages until there are none,
// as an autoscaler does.
func (w *world) runScaled(ctx context.Context, p *process) error {
	random := w.dice.of("scale", p.name)
	scaled, end := context.WithCancel(ctx)
	defer end()
	look := func(wanted bool) bool {
		for (len(w.queues.Messages(queueName)) > 0) != wanted {
			select {
			case <-time.After(between(random, 2*time.Second, 4*time.Second)):
			case <-ctx.Done():
				return false
			}
		}
		return true
	}
	if !look(true) {
		return nil
	}
	ended := make(chan error, 1)
	go func() { ended <- w.runConsumer(scaled, p) }()
	if look(false) {
		w.timeline.notef(p.name, "is scaled away")
	}
	end()
	return <-ended
}

func (w *world) runReceiver(ctx context.Context, p *process) error {
	receiver := receiverroot.New(w.plan.receiver, receiverroot.Surroundings{AWS: w.aws(p)}, w.logger(p))
	leave := w.door.enter(p, receiver.Handler())
	select {
	case <-ctx.Done():
	case <-p.crashed:
	}
	leave()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return receiver.Close(closing)
}

// door is the load balancer before the receivers.
type door struct {
	caller *process

	mu   sync.Mutex
	open []*entrance
	next int
}

type entrance struct {
	process *process
	handler http.Handler
}

func (d *door) client() *http.Client { return &http.Client{Transport: d} }

// enter lets requests reach a receiver until leave is called.
func (d *door) enter(p *process, handler http.Handler) (leave func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	own := &entrance{p, handler}
	d.open = append(d.open, own)
	slices.SortFunc(d.open, func(a, b *entrance) int { return strings.Compare(a.process.name, b.process.name) })
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.open = slices.DeleteFunc(slices.Clone(d.open), func(e *entrance) bool { return e == own })
	}
}

func (d *door) pick() *entrance {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.open) == 0 {
		return nil
	}
	d.next++
	return d.open[d.next%len(d.open)]
}

// RoundTrip implements http.RoundTripper.
func (d *door) RoundTrip(request *http.Request) (*http.Response, error) {
	to := d.pick()
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
	to.process.awake("take " + call)
	response, err := link{d.caller, receiver, to.handler}.RoundTrip(request)
	to.process.awake("answer " + call)
	if to.process.dead() {
		return nil, errReset
	}
	return response, err
}

// logger writes a pod's log into the timeline.
func (w *world) logger(p *process) zerolog.Logger {
	return zerolog.New(podLog{p}).Level(zerolog.InfoLevel)
}

type podLog struct{ process *process }

// mismatch is how the product tells of an event that is not as the ledger says.
var mismatch = []byte("it is left as found")

// Write implements io.Writer; it gets a line at a time.
func (l podLog) Write(line []byte) (int, error) {
	if l.process.dead() {
		return len(line), nil
	}
	w := l.process.world
	w.timeline.notef(l.process.name, "%s", bytes.TrimSpace(line))
	if bytes.Contains(line, mismatch) {
		w.faults.addf("%s: an alarm: %s", l.process.name, bytes.TrimSpace(line))
	}
	if bytes.Contains(line, []byte(`"message handled"`)) {
		w.books.handled()
		w.books.checkReason(l.process.name, line)
	}
	return len(line), nil
}
