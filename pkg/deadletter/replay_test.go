package deadletter_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/ratelimit/ratelimittest"
)

// queues are a dead-letter queue and its source. A message that is redriven to a source that fails it
// is a dead letter again at once.
type queues struct {
	mu      sync.Mutex
	dead    []queue.Message
	source  []queue.Message
	deleted []string
	fails   bool             // what is redriven comes back
	refuses map[string]error // by message id
	undying map[string]error // by message id
}

// Browse shows one at a time, so that what comes back comes before the end.
func (q *queues) Browse(_ context.Context, visit func([]queue.Message) bool) (bool, error) {
	for i := 0; ; i++ {
		q.mu.Lock()
		if i >= len(q.dead) {
			q.mu.Unlock()
			return true, nil
		}
		message := q.dead[i]
		q.mu.Unlock()
		if !visit([]queue.Message{message}) {
			return false, nil
		}
	}
}

func (q *queues) Redrive(_ context.Context, message queue.Message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.refuses[message.ID]; err != nil {
		return err
	}
	q.source = append(q.source, message)
	if q.fails {
		count, _ := strconv.Atoi(message.Attributes["replay_count"])
		message.ID += "'"
		message.Attributes = attributes("reason", "too_old", "replay_count", strconv.Itoa(count+1))
		q.dead = append(q.dead, message)
	}
	return nil
}

func (q *queues) Delete(_ context.Context, message queue.Message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !slices.ContainsFunc(q.source, func(sent queue.Message) bool { return string(sent.Body) == string(message.Body) }) && len(q.source) > 0 {
		return fmt.Errorf("%s was deleted before it was sent", message.ID)
	}
	if err := q.undying[message.ID]; err != nil {
		return err
	}
	q.deleted = append(q.deleted, message.ID)
	return nil
}

func deadLetterOf(id, invoiceID string, pairs ...string) queue.Message {
	return queue.Message{ID: id, Body: body(invoiceID, ""), Attributes: attributes(append([]string{"reason", "too_old"}, pairs...)...)}
}

func TestReplayer_Run(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		queues  *queues
		options deadletter.ReplayOptions
		sent    string
		deleted string
		counts  map[deadletter.Action]int
		err     error
	}{
		"all": {
			queues: &queues{dead: []queue.Message{deadLetterOf("a", "draft_1"), deadLetterOf("b", "draft_2")}},
			sent:   "[a b]", deleted: "[a b]", counts: map[deadletter.Action]int{deadletter.Replayed: 2},
		},
		"a dry run": {
			queues:  &queues{dead: []queue.Message{deadLetterOf("a", "draft_1"), deadLetterOf("b", "draft_done")}},
			options: deadletter.ReplayOptions{DryRun: true},
			sent:    "[]", deleted: "[]", counts: map[deadletter.Action]int{deadletter.Replayed: 1, deadletter.Skipped: 1},
			err: deadletter.ErrRefused,
		},
		"a filter": {
			queues:  &queues{dead: []queue.Message{deadLetterOf("a", "draft_1"), deadLetterOf("b", "draft_2")}},
			options: deadletter.ReplayOptions{Filter: deadletter.Filter{Invoice: "draft_2"}},
			sent:    "[b]", deleted: "[b]", counts: map[deadletter.Action]int{deadletter.Replayed: 1},
		},
		"what is billed is skipped": {
			queues: &queues{dead: []queue.Message{deadLetterOf("a", "draft_done"), deadLetterOf("b", "draft_2")}},
			sent:   "[b]", deleted: "[b]", counts: map[deadletter.Action]int{deadletter.Replayed: 1, deadletter.Skipped: 1},
			err: deadletter.ErrRefused,
		},
		"or dropped": {
			queues:  &queues{dead: []queue.Message{deadLetterOf("a", "draft_done")}},
			options: deadletter.ReplayOptions{DropDone: true},
			sent:    "[]", deleted: "[a]", counts: map[deadletter.Action]int{deadletter.Dropped: 1},
		},
		"what the queue does not take stays": {
			queues: &queues{dead: []queue.Message{deadLetterOf("a", "draft_1"), deadLetterOf("b", "draft_2")}, refuses: map[string]error{"a": broken}},
			sent:   "[b]", deleted: "[b]", counts: map[deadletter.Action]int{deadletter.Replayed: 1, deadletter.Failed: 1}, err: deadletter.ErrPartial,
		},
		"what cannot be deleted is in both": {
			queues: &queues{dead: []queue.Message{deadLetterOf("a", "draft_1")}, undying: map[string]error{"a": broken}},
			sent:   "[a]", deleted: "[]", counts: map[deadletter.Action]int{deadletter.Failed: 1}, err: deadletter.ErrPartial,
		},
		"what comes back is left alone": {
			queues: &queues{dead: []queue.Message{deadLetterOf("a", "draft_1"), deadLetterOf("b", "draft_2", "replay_count", "3")}, fails: true},
			sent:   "[a b]", deleted: "[a b]", counts: map[deadletter.Action]int{deadletter.Replayed: 2},
		},
		"copies of a message": {
			queues: &queues{dead: []queue.Message{deadLetterOf("a", "draft_1"), deadLetterOf("b", "draft_1")}},
			sent:   "[a b]", deleted: "[a b]", counts: map[deadletter.Action]int{deadletter.Replayed: 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			replayer := &deadletter.Replayer{
				Queue: deadletter.Queue{
					Messages: test.queues, Remover: test.queues, Now: time.Now,
					Records: knowing(billing.Record{InvoiceID: "draft_done", State: billing.Finished}),
				},
				Source: test.queues, RateLimit: &ratelimittest.Store{}, RequestsPerMinute: 3500,
			}
			var reported sync.Map
			result, err := replayer.Run(t.Context(), test.options, deadletter.Progress{Done: func(step deadletter.MessageResult) { reported.Store(step.MessageID, step.Action) }})
			if !errors.Is(err, test.err) {
				t.Errorf("got %v, want %v", err, test.err)
			}
			var sent []string
			for _, message := range test.queues.source {
				sent = append(sent, message.ID)
			}
			slices.Sort(sent)
			slices.Sort(test.queues.deleted)
			if got := fmt.Sprint(sent); got != test.sent {
				t.Errorf("sent %s, want %s", got, test.sent)
			}
			if got := fmt.Sprint(test.queues.deleted); got != test.deleted {
				t.Errorf("deleted %s, want %s", got, test.deleted)
			}
			if !maps.Equal(result.Counts, test.counts) || result.DryRun != test.options.DryRun || !result.Complete {
				t.Errorf("got %+v", result)
			}
			for _, step := range result.Messages {
				if action, ok := reported.Load(step.MessageID); !ok || action != step.Action || (step.Error != nil) != (step.Action == deadletter.Failed) {
					t.Errorf("%+v, told as %v", step, action)
				}
			}
		})
	}
}

// TestReplay_WithoutLedger ends it: the billed invoices are unknown.
func TestReplay_WithoutLedger(t *testing.T) {
	t.Parallel()
	noLedger := errors.New("no ledger")
	q := &queues{}
	for i := range 200 {
		q.dead = append(q.dead, deadLetterOf(fmt.Sprint(i), "draft_1"))
	}
	replayer := &deadletter.Replayer{
		Queue: deadletter.Queue{
			Messages: q, Remover: q, Now: time.Now,
			Records: heads(func(string) (billing.Record, bool, error) { return billing.Record{}, false, noLedger }),
		},
		Source: q, RateLimit: &ratelimittest.Store{}, RequestsPerMinute: 3500,
	}
	result, err := replayer.Run(t.Context(), deadletter.ReplayOptions{}, deadletter.Progress{})
	if !errors.Is(err, noLedger) || len(q.source) > 0 || result.Complete {
		t.Errorf("%d are sent, %+v, %v", len(q.source), result, err)
	}
}
