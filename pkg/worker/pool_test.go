package worker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/worker"
)

// fakeQueue is a queue and a dead-message queue in memory.
type fakeQueue struct {
	mu          sync.Mutex
	waiting     []queue.Message
	arrived     chan struct{}
	hidden      map[string]time.Time // by message id
	deleted     []string
	deadLetters []queue.FailedMessage
	received    int

	receive  func() error                    // fails a receive
	hide     func(queue.Message) error       // fails a change of visibility
	failSend func(queue.FailedMessage) error // fails a dead message
}

func newFakeQueue(ids ...string) *fakeQueue {
	b := &fakeQueue{arrived: make(chan struct{}), hidden: map[string]time.Time{}}
	for _, id := range ids {
		b.waiting = append(b.waiting, queue.Message{ID: id})
	}
	return b
}

const poll = 5 * time.Second

func (b *fakeQueue) Receive(ctx context.Context, most int) ([]queue.Message, error) {
	if b.receive != nil {
		if err := b.receive(); err != nil {
			return nil, err
		}
	}
	deadline := time.After(poll)
	for {
		b.mu.Lock()
		count := min(most, len(b.waiting))
		messages := slices.Clone(b.waiting[:count])
		b.waiting = b.waiting[count:]
		for i := range messages {
			messages[i].ReceiveCount++
			b.hidden[messages[i].ID] = time.Now().Add(visibility)
			b.received++
		}
		arrived := b.arrived
		b.mu.Unlock()
		if count > 0 {
			return messages, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-deadline:
			return nil, nil
		case <-arrived:
		}
	}
}

func (b *fakeQueue) ChangeVisibility(_ context.Context, message queue.Message, invisible time.Duration) error {
	if b.hide != nil {
		if err := b.hide(message); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hidden[message.ID] = time.Now().Add(invisible)
	return nil
}

func (b *fakeQueue) Delete(_ context.Context, message queue.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deleted = append(b.deleted, message.ID)
	return nil
}

func (b *fakeQueue) Send(_ context.Context, message queue.FailedMessage) error {
	if b.failSend != nil {
		if err := b.failSend(message); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deadLetters = append(b.deadLetters, message)
	return nil
}

// count returns the number of received messages.
func (b *fakeQueue) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.received
}

// hiddenFor returns how long a message stays hidden from now.
func (b *fakeQueue) hiddenFor(id string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Until(b.hidden[id])
}

type handler func(context.Context, *queue.Delivery) queue.Outcome

func (h handler) Handle(ctx context.Context, delivery *queue.Delivery) queue.Outcome {
	return h(ctx, delivery)
}

type gate func(context.Context) (int, error)

func (g gate) Wait(ctx context.Context) (int, error) { return g(ctx) }

// notes is an observer that records.
type notes struct {
	mu       sync.Mutex
	handled  []string
	failures []string
}

func (n *notes) Handled(message queue.Message, outcome queue.Outcome, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.handled = append(n.handled, fmt.Sprintf("%s %s %v", message.ID, outcome.Action, err))
}

func (n *notes) Failed(what string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failures = append(n.failures, what+": "+err.Error())
}

const visibility = 30 * time.Second

func pool(b *fakeQueue, handle handler) (*worker.Pool, *notes) {
	seen := &notes{}
	return &worker.Pool{
		Queue: b, DeadLetters: b, Handler: handle, Observer: seen,
		Concurrency: 4, VisibilityTimeout: visibility, HeartbeatInterval: visibility / 3,
		DrainTimeout: 20 * time.Second, SettleTimeout: 10 * time.Second,
	}, seen
}

// start runs the pool; the returned function stops it and returns its error.
func start(t *testing.T, p *worker.Pool) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	return func() error {
		cancel()
		return <-ended
	}
}

func TestPool_CarriesOutOutcomes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeQueue("done", "retry", "reject")
		p, seen := pool(b, func(_ context.Context, delivery *queue.Delivery) queue.Outcome {
			switch delivery.ID {
			case "done":
				return queue.Outcome{Action: queue.Ack}
			case "reject":
				return queue.Outcome{Action: queue.DeadLetter, Reason: "too_old", Detail: "why"}
			default:
				return queue.Outcome{Delay: 7 * time.Minute}
			}
		})
		stop := start(t, p)
		synctest.Wait()
		if after := b.hiddenFor("retry"); after != 7*time.Minute {
			t.Errorf("the message comes back in %s", after)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		slices.Sort(b.deleted)
		if got := strings.Join(b.deleted, " "); got != "done reject" {
			t.Errorf("deleted %s", got)
		}
		if len(b.deadLetters) != 1 || b.deadLetters[0].ID != "reject" || b.deadLetters[0].Reason != "too_old" || b.deadLetters[0].Detail != "why" {
			t.Errorf("dead letters %+v", b.deadLetters)
		}
		if len(seen.handled) != 3 || len(seen.failures) != 0 {
			t.Errorf("observed %q, %q", seen.handled, seen.failures)
		}
	})
}

// TestPool_AcquiresSlotBeforeReceive lets four messages be worked on: a fifth stays in the queue.
func TestPool_AcquiresSlotBeforeReceive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeQueue("1", "2", "3", "4", "5", "6")
		release := make(chan struct{})
		p, _ := pool(b, func(context.Context, *queue.Delivery) queue.Outcome {
			<-release
			return queue.Outcome{Action: queue.Ack}
		})
		stop := start(t, p)
		time.Sleep(time.Second)
		if got := b.count(); got != 4 {
			t.Errorf("%d messages were received for 4 slots", got)
		}
		release <- struct{}{}
		time.Sleep(time.Second)
		if got := b.count(); got != 5 {
			t.Errorf("%d messages were received after one slot came free", got)
		}
		close(release)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestPool_CoalescesSlots has slots come free one after the other: those that do so within a
// moment are filled by one receive, and a single one does not wait for long.
func TestPool_CoalescesSlots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeQueue("1", "2", "3", "4", "5", "6", "7", "8")
		took := map[string]time.Duration{
			"1": time.Second, "2": time.Second + 20*time.Millisecond, // together
			"3": 2 * time.Second, "4": 3 * time.Second, // alone
		}
		var starts []string
		started := time.Now()
		p, _ := pool(b, func(_ context.Context, delivery *queue.Delivery) queue.Outcome {
			b.mu.Lock()
			starts = append(starts, fmt.Sprintf("%s at %s", delivery.ID, time.Since(started)))
			b.mu.Unlock()
			wait, ok := took[delivery.ID]
			if !ok {
				wait = time.Hour
			}
			time.Sleep(wait)
			return queue.Outcome{Action: queue.Ack}
		})
		p.DrainTimeout = 2 * time.Hour
		stop := start(t, p)
		time.Sleep(time.Minute)
		b.mu.Lock()
		slices.Sort(starts)
		got := strings.Join(starts, ", ")
		b.mu.Unlock()
		const want = "1 at 0s, 2 at 0s, 3 at 0s, 4 at 0s, 5 at 1.02s, 6 at 1.02s, 7 at 2.05s, 8 at 3.05s"
		if got != want {
			t.Errorf("messages were handled\n%s\nwant\n%s", got, want)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestPool_WaitsForGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeQueue("1")
		open := make(chan struct{})
		p, _ := pool(b, func(context.Context, *queue.Delivery) queue.Outcome { return queue.Outcome{Action: queue.Ack} })
		p.Gates = []worker.Gate{gate(func(ctx context.Context) (int, error) {
			select {
			case <-open:
				return 10, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		})}
		stop := start(t, p)
		time.Sleep(time.Hour)
		if b.count() != 0 {
			t.Error("a message was received through a closed gate")
		}
		close(open)
		synctest.Wait()
		if b.count() != 1 {
			t.Error("no message was received through an open gate")
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestPool_GateLimitsReceive as a probe: no more than that are received.
func TestPool_GateLimitsReceive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeQueue("1", "2", "3")
		p, _ := pool(b, func(context.Context, *queue.Delivery) queue.Outcome { return queue.Outcome{Action: queue.Ack} })
		passed := 0
		p.Gates = []worker.Gate{
			gate(func(context.Context) (int, error) { return 10, nil }),
			gate(func(ctx context.Context) (int, error) {
				if passed++; passed == 1 {
					return 1, nil
				}
				<-ctx.Done()
				return 0, ctx.Err()
			}),
		}
		stop := start(t, p)
		time.Sleep(time.Minute)
		if got := b.count(); got != 1 {
			t.Errorf("%d messages were received as one probe", got)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestPool_HeartbeatExtendsVisibilityAndHandler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeQueue("1")
		var beats []time.Duration
		started := time.Now()
		p, _ := pool(b, func(_ context.Context, delivery *queue.Delivery) queue.Outcome {
			delivery.SetHeartbeat(func(context.Context) error {
				beats = append(beats, time.Since(started))
				return nil
			})
			time.Sleep(35 * time.Second)
			if left := b.hiddenFor("1"); left < visibility-15*time.Second {
				t.Errorf("hidden for %s only", left)
			}
			return queue.Outcome{Action: queue.Ack}
		})
		stop := start(t, p)
		time.Sleep(time.Minute)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if len(beats) != 3 || beats[0] != 10*time.Second {
			t.Errorf("beats at %v", beats)
		}
	})
}

// TestPool_FailedHeartbeatCancelsHandler loses either of the two things that a heartbeat extends.
func TestPool_FailedHeartbeatCancelsHandler(t *testing.T) {
	t.Parallel()
	fenced := errors.New("fenced")
	for name, test := range map[string]struct {
		hide   error
		beat   error
		lost   bool // the message is another's: nothing is done with it
		within time.Duration
	}{
		"receipt expired":    {hide: queue.ErrReceiptExpired, lost: true, within: 11 * time.Second},
		"queue out of reach": {hide: errors.New("timeout"), lost: true, within: 31 * time.Second},
		"the handler's hold": {beat: fenced, within: 11 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newFakeQueue("1")
				hidden := 0
				b.hide = func(queue.Message) error {
					hidden++
					return test.hide
				}
				var cause error
				var took time.Duration
				p, seen := pool(b, func(ctx context.Context, delivery *queue.Delivery) queue.Outcome {
					started := time.Now()
					delivery.SetHeartbeat(func(context.Context) error { return test.beat })
					<-ctx.Done()
					cause, took = context.Cause(ctx), time.Since(started)
					b.hide = func(queue.Message) error {
						if test.lost {
							t.Error("a lost message was given back")
						}
						return nil
					}
					return queue.Outcome{}
				})
				stop := start(t, p)
				time.Sleep(time.Minute)
				if err := stop(); err != nil {
					t.Error(err)
				}
				if errors.Is(cause, worker.ErrVisibilityExpired) != test.lost || test.beat != nil && !errors.Is(cause, test.beat) {
					t.Errorf("the cause is %v", cause)
				}
				if took > test.within {
					t.Errorf("the handling ended after %s", took)
				}
				if len(seen.failures) != 1 {
					t.Errorf("observed %q", seen.failures)
				}
			})
		})
	}
}

func TestPool_PanicRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeQueue("1", "2")
		p, seen := pool(b, func(_ context.Context, delivery *queue.Delivery) queue.Outcome {
			if delivery.ID == "1" {
				panic("boom")
			}
			return queue.Outcome{Action: queue.Ack}
		})
		stop := start(t, p)
		time.Sleep(time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if len(b.deleted) != 1 || b.deleted[0] != "2" {
			t.Errorf("deleted %q", b.deleted)
		}
		if len(seen.failures) != 1 || !strings.Contains(seen.failures[0], "boom") || !strings.Contains(seen.failures[0], "pool_test.go") {
			t.Errorf("observed %q", seen.failures)
		}
	})
}

// TestPool_FailedDeadLetterIsNotDeleted keeps the order: first the dead message, then the
// delete.
func TestPool_FailedDeadLetterIsNotDeleted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeQueue("1")
		b.failSend = func(queue.FailedMessage) error { return errors.New("refused") }
		p, seen := pool(b, func(context.Context, *queue.Delivery) queue.Outcome {
			return queue.Outcome{Action: queue.DeadLetter, Reason: "too_old"}
		})
		stop := start(t, p)
		time.Sleep(time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if len(b.deleted) != 0 || len(seen.handled) != 1 || !strings.Contains(seen.handled[0], "refused") {
			t.Errorf("deleted %q, observed %q", b.deleted, seen.handled)
		}
	})
}

func TestPool_ContinuesAfterReceiveErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeQueue("1")
		failures := 0
		b.receive = func() error {
			if failures++; failures <= 500 {
				return errors.New("no")
			}
			return nil
		}
		p, _ := pool(b, func(context.Context, *queue.Delivery) queue.Outcome { return queue.Outcome{Action: queue.Ack} })
		stop := start(t, p)
		time.Sleep(2 * time.Hour)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if len(b.deleted) != 1 {
			t.Error("the pool gave up receiving")
		}
	})
}

// TestDrain stops the pool in the middle of work of different lengths.
func TestPool_Drains(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		work    time.Duration // without looking at the context
		obeys   time.Duration // after the context ended
		want    error
		deleted int
	}{
		"work that ends in time":        {work: 15 * time.Second, deleted: 1},
		"work that is stopped":          {work: time.Hour, obeys: time.Second},
		"work that settles for long":    {work: time.Hour, obeys: 9 * time.Second},
		"work that ignores its context": {work: time.Hour, obeys: 15 * time.Second, want: worker.ErrDeadline},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newFakeQueue("1")
				p, _ := pool(b, func(ctx context.Context, _ *queue.Delivery) queue.Outcome {
					select {
					case <-time.After(test.work):
						return queue.Outcome{Action: queue.Ack}
					case <-ctx.Done():
						if !errors.Is(context.Cause(ctx), worker.ErrShutdownTimeout) {
							t.Errorf("the cause is %v", context.Cause(ctx))
						}
						time.Sleep(test.obeys)
						return queue.Outcome{}
					}
				})
				stop := start(t, p)
				synctest.Wait()
				if err := stop(); !errors.Is(err, test.want) {
					t.Errorf("got %v", err)
				}
				if len(b.deleted) != test.deleted {
					t.Errorf("deleted %q", b.deleted)
				}
				if test.deleted == 0 && test.want == nil && b.hiddenFor("1") > 0 {
					t.Error("a message that was stopped is not visible at once")
				}
				time.Sleep(time.Minute) // what ignores its context ends at last
			})
		})
	}
}

// TestPool_AwaitsReceiveAtShutdown lets a running poll end at shutdown: what it still
// brings is worked on.
func TestPool_AwaitsReceiveAtShutdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newFakeQueue()
		p, _ := pool(b, func(context.Context, *queue.Delivery) queue.Outcome { return queue.Outcome{Action: queue.Ack} })
		stop := start(t, p)
		time.Sleep(time.Second)
		go func() {
			time.Sleep(time.Second)
			b.mu.Lock()
			b.waiting = append(b.waiting, queue.Message{ID: "late"})
			close(b.arrived)
			b.arrived = make(chan struct{})
			b.mu.Unlock()
		}()
		if err := stop(); err != nil {
			t.Error(err)
		}
		if len(b.deleted) != 1 {
			t.Error("a message of the last poll was left alone")
		}
	})
}

// TestPool_StartStop starts and stops a pool in every phase of its work, again and again: a
// stop leaves nothing half done, and the next start goes on where it ended.
func TestPool_StartStop(t *testing.T) {
	t.Parallel()
	for phase := 1; phase <= 40; phase++ {
		synctest.Test(t, func(t *testing.T) {
			var ids []string
			for i := range 30 {
				ids = append(ids, fmt.Sprintf("%02d", i))
			}
			b := newFakeQueue(ids...)
			failures := 0
			b.receive = func() error {
				if failures++; failures%3 == 0 {
					return errors.New("no")
				}
				return nil
			}
			p, seen := pool(b, func(_ context.Context, delivery *queue.Delivery) queue.Outcome {
				switch delivery.ID[1] {
				case '0':
					panic("boom")
				case '1', '2':
					return queue.Outcome{Action: queue.DeadLetter, Reason: "too_old"}
				default:
					time.Sleep(time.Duration(delivery.ID[1]-'0') * time.Second)
					return queue.Outcome{Action: queue.Ack}
				}
			})
			for starts := 0; b.count() < len(ids); starts++ {
				stop := start(t, p)
				time.Sleep(time.Duration(phase) * 250 * time.Millisecond)
				if err := stop(); err != nil {
					t.Error(err)
				}
				if len(seen.handled) != b.received {
					t.Fatalf("stopped %d times: %d received, %d handled", starts+1, b.received, len(seen.handled))
				}
				if err := p.Alive(); err != nil {
					t.Error(err)
				}
				if starts == 100 {
					t.Fatalf("after 100 starts %d were received", b.received)
				}
			}
			slices.Sort(b.deleted)
			if slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(b.deleted, id) != (id[1] != '0') }) || len(b.deleted) != 27 {
				t.Errorf("deleted %q", b.deleted)
			}
			if len(b.deadLetters) != 6 {
				t.Errorf("dead letters %+v", b.deadLetters)
			}
		})
	}
}
