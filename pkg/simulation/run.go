package simulation

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

const (
	patience     = 7 * 24 * time.Hour // by when all must be settled, once it is calm
	replays      = 4                  // of all dead letters, at the end
	afterTheEnd  = time.Hour          // nothing happens anymore
	untilExpired = 100 * 24 * time.Hour
)

// Report is how a history went.
type Report struct {
	Seed     uint64
	Profile  string
	Faults   []string // what must not be; none: the promise was kept
	Invoices int
	Events   int
	Calls    int // to Chargebee
	Took     time.Duration
	Timeline *Timeline
}

// Run lets a history happen. It must be called inside a testing/synctest bubble.
func Run(ctx context.Context, seed uint64) (*Report, error) {
	p, err := newPlan(seed)
	if err != nil {
		return nil, fmt.Errorf("plan of seed %d: %w", seed, err)
	}
	w, err := newWorld(ctx, seed, p)
	if err != nil {
		return nil, fmt.Errorf("world of seed %d: %w", seed, err)
	}
	w.live(ctx)
	return &Report{
		Seed:     seed,
		Profile:  p.profile,
		Faults:   w.faults.all(),
		Invoices: len(p.renewals),
		Events:   w.books.written(),
		Calls:    len(w.site.Calls()),
		Took:     time.Since(w.timeline.began),
		Timeline: w.timeline,
	}, nil
}

// live is the whole of a history.
func (w *world) live(ctx context.Context) {
	system, stop := context.WithCancel(ctx)
	defer stop()
	w.started()
	w.startPods(system)
	w.deliverWebhooks(system)
	w.startActors(ctx)

	actors := make(chan struct{})
	go func() {
		w.actors.Wait()
		close(actors)
	}()
	time.Sleep(w.plan.chaos)
	w.calm.Store(true)
	w.timeline.notef("", "it gets calm")
	<-actors

	w.settle()
	operator := w.process("operator at last")
	for range replays {
		if len(w.deadLetters()) == 0 {
			break
		}
		if w.plan.releases {
			w.releaseInTheEnd(ctx, operator)
		}
		w.replay(ctx, operator)
		w.settle()
	}
	stop()
	w.pods.Wait()
	w.account("at the end")
	time.Sleep(afterTheEnd)
	w.account("an hour later")
	time.Sleep(untilExpired)
	w.tables.Sweep()
	w.accountAfterExpiry()
}

func (w *world) started() {
	w.timeline.notef("", "%s: %d consumers, %d receivers, %s of chaos", w.plan.profile, w.plan.consumers, w.plan.receivers, w.plan.chaos.Round(time.Second))
	w.began = time.Now()
	w.calm.Store(false)
}

// settle waits until no message and no webhook is left.
func (w *world) settle() {
	const look = 5 * time.Second
	for waited := time.Duration(0); !w.settled(); waited += look {
		if waited > patience {
			w.faults.addf("not settled after %s: %d messages, %d webhooks", patience, len(w.queues.Messages(queueName)), w.site.Deliveries().Pending)
			return
		}
		time.Sleep(look)
	}
}

func (w *world) settled() bool {
	deliveries := w.site.Deliveries()
	unsent := deliveries.Pending + deliveries.Events[chargebee.WebhookScheduled] + deliveries.Events[chargebee.WebhookReScheduled]
	return unsent == 0 && len(w.queues.Messages(queueName)) == 0
}

// deadLetters are the messages in the dead-letter queue.
func (w *world) deadLetters() []sqs.Message { return w.queues.Messages(deadLetterName) }

// deliverWebhooks lets Chargebee call the receivers.
func (w *world) deliverWebhooks(ctx context.Context) {
	w.pods.Go(func() {
		err := w.site.Deliver(ctx, chargebee.Endpoint{
			URL:        "http://receiver.local/webhooks/chargebee",
			Username:   username,
			Password:   password,
			Client:     w.door.client(),
			RetryScale: w.plan.retryScale,
		})
		if err != nil {
			w.faults.addf("webhooks cannot be delivered: %v", err)
		}
	})
}

// faultLog collects what must not be.
type faultLog struct {
	mu     sync.Mutex
	faults []string
}

func (f *faultLog) addf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, fmt.Sprintf(format, args...))
}

func (f *faultLog) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.faults
}
