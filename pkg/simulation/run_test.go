package simulation_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

const (
	settleTimeout = 7 * 24 * time.Hour // for all messages, once the faults have ended
	maxReplays    = 4                  // of all dead letters, at the end
	quietPeriod   = time.Hour          // in which nothing happens anymore
	expiryPeriod  = 100 * 24 * time.Hour
)

// run runs the scenario: a time of chaos, then the settlement of everything that is left, then the
// invariant checks.
func (e *env) run(ctx context.Context) {
	system, stop := context.WithCancel(ctx)
	defer stop()
	e.timeline.logf("", "%s: %d consumers, %d receivers, %s of chaos", e.scenario.profile, e.scenario.consumers, e.scenario.receivers, e.scenario.chaos.Round(time.Second))
	e.began = time.Now()
	e.faultsOff.Store(false)
	e.startPods(system)
	e.deliverWebhooks(system)
	e.startActors(ctx)

	time.Sleep(e.scenario.chaos)
	e.faultsOff.Store(true)
	e.timeline.logf("", "the faults end")
	e.actors.Wait()

	e.settle()
	time.Sleep(replayVisibility) // a receive whose response was lost hides dead letters
	operator := e.process("operator at last")
	for range maxReplays {
		if len(e.deadLetters()) == 0 {
			break
		}
		if e.scenario.releases {
			e.releaseRemaining(ctx, operator, e.releaseAll)
		}
		e.replay(ctx, operator)
		e.settle()
	}
	if e.scenario.voids {
		e.releaseRemaining(ctx, operator, e.releaseVoided)
	}
	stop()
	e.pods.Wait()
	e.verify("at the end")
	time.Sleep(quietPeriod)
	e.verify("an hour later")
	time.Sleep(expiryPeriod)
	e.tables.Sweep()
	e.verifyAfterExpiry()
	e.took = time.Since(e.timeline.began)
}

// settle waits until no message and no webhook is left.
func (e *env) settle() {
	const pollInterval = 5 * time.Second
	for waited := time.Duration(0); !e.settled(); waited += pollInterval {
		if waited > settleTimeout {
			e.violations.addf("not settled after %s: %d messages, %d webhooks", settleTimeout, len(e.queues.Messages(queueName)), e.site.Deliveries().Pending)
			return
		}
		time.Sleep(pollInterval)
	}
}

func (e *env) settled() bool {
	deliveries := e.site.Deliveries()
	unsent := deliveries.Pending + deliveries.Events[chargebee.WebhookScheduled] + deliveries.Events[chargebee.WebhookReScheduled]
	return unsent == 0 && len(e.queues.Messages(queueName)) == 0
}

// deadLetters returns the messages in the dead-letter queue.
func (e *env) deadLetters() []sqs.Message { return e.queues.Messages(deadLetterName) }

// deliverWebhooks makes Chargebee call the receivers.
func (e *env) deliverWebhooks(ctx context.Context) {
	e.pods.Go(func() {
		err := e.site.Deliver(ctx, chargebee.Endpoint{
			URL:        "http://receiver.local/webhooks/chargebee",
			Username:   username,
			Password:   password,
			Client:     &http.Client{Transport: e.ingress},
			RetryScale: e.scenario.retryScale,
		})
		if err != nil {
			e.violations.addf("webhooks cannot be delivered: %v", err)
		}
	})
}

// violations collects the invariants that do not hold.
type violations struct {
	mu    sync.Mutex
	texts []string
}

func (v *violations) addf(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.texts = append(v.texts, fmt.Sprintf(format, args...))
}
