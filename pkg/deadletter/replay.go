package deadletter

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
)

// atOnce is how many letters are replayed at the same time: enough to fill the batches
// that they share.
const atOnce = 32

// Source is the queue that dead letters come from.
type Source interface {
	// Redrive puts a dead letter back into the queue, without what its burial added. It
	// returns nil only if the queue has it.
	Redrive(ctx context.Context, letter queue.Message) error
}

// Remover takes messages out of the dead-letter queue.
type Remover interface {
	Delete(ctx context.Context, letter queue.Message) error
}

// Replayer puts dead letters back into the queue that they come from.
type Replayer struct {
	Letters Browser
	Heads   Heads
	Source  Source
	Remover Remover
	Now     func() time.Time
}

// Order is what shall be replayed.
type Order struct {
	Filter
	DropDone bool // letters of invoices that are billed are deleted
	DryRun   bool // nothing is changed
}

// Action is what a replay did with a letter, or in a dry run would do.
type Action string

// The actions.
const (
	Replayed Action = "replayed"
	Skipped  Action = "skipped" // the ledger says that its invoice is billed: a replay would do nothing
	Dropped  Action = "dropped" // for the same reason
	Failed   Action = "failed"  // it lies where it lay
)

// Step is what became of one letter.
type Step struct {
	MessageID string  `json:"message_id"`
	EventID   *string `json:"event_id"`
	InvoiceID *string `json:"invoice_id"`
	Reason    *string `json:"reason"`
	Action    Action  `json:"action"`
	Error     *string `json:"error"`
}

// Result is what became of all letters that were chosen.
type Result struct {
	Complete bool           `json:"complete"` // every letter was seen
	DryRun   bool           `json:"dry_run"`
	Counts   map[Action]int `json:"counts"`
	Messages []Step         `json:"messages"`
}

// ErrPartial says that some letters could not be replayed, or not be seen.
var ErrPartial = errors.New("not all dead letters were replayed: start it again")

// Run replays what is ordered. A letter is deleted once the queue has it, so a crash may
// leave it in both; the ledger makes what is handled twice harmless. It may be started
// again at any time. What comes back while it runs, because it failed once more, is left
// alone. progress, which may be nil, is told of each step; it may be called by several
// goroutines.
//
// Errors: those of Letters and Heads, and ErrPartial.
func (r *Replayer) Run(ctx context.Context, order Order, progress func(Step)) (Result, error) {
	run := &replay{Replayer: r, order: order, progress: progress, began: r.Now(), seen: map[[sha256.Size]byte]int{}}
	run.result = Result{DryRun: order.DryRun, Counts: map[Action]int{}, Messages: []Step{}}
	slots := make(chan struct{}, atOnce)
	var steps sync.WaitGroup
	complete, err := r.Letters.Browse(ctx, func(letter queue.Message) bool {
		if run.again(letter) {
			return true
		}
		slots <- struct{}{}
		steps.Go(func() {
			defer func() { <-slots }()
			run.step(ctx, letter)
		})
		return ctx.Err() == nil && !run.broken()
	})
	steps.Wait()
	run.result.Complete = complete
	if err := errors.Join(run.err, err); err != nil {
		return run.result, err
	}
	if !complete || run.result.Counts[Failed] > 0 {
		return run.result, ErrPartial
	}
	return run.result, nil
}

// replay is one run.
type replay struct {
	*Replayer
	order    Order
	progress func(Step)
	began    time.Time
	seen     map[[sha256.Size]byte]int // replay counts by body; only Browse's goroutine looks

	mu     sync.Mutex
	result Result
	err    error // of the ledger
}

// again tells whether the letter was replayed in this run, and has failed once more: it
// has an equal that was replayed less often. One as often replayed is a copy of the
// message, for delivery is at least once.
func (r *replay) again(letter queue.Message) bool {
	digest, count := sha256.Sum256(letter.Body), replayCount(letter)
	before, seen := r.seen[digest]
	if seen && before < count {
		return true
	}
	r.seen[digest] = count
	return false
}

func (r *replay) broken() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err != nil
}

// step does with one letter what is ordered.
func (r *replay) step(ctx context.Context, message queue.Message) {
	letter, err := read(ctx, r.Heads, message)
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.err = fmt.Errorf("what the ledger says of message %s: %w", message.ID, err)
		return
	}
	if !r.order.chooses(letter, r.began) {
		return
	}
	action := Replayed
	switch {
	case letter.LedgerState == string(billing.Finished) && r.order.DropDone:
		action = Dropped
	case letter.LedgerState == string(billing.Finished):
		action = Skipped
	}
	if !r.order.DryRun {
		err = r.carryOut(ctx, action, message)
	}
	done := Step{MessageID: letter.MessageID, EventID: letter.EventID, InvoiceID: letter.InvoiceID, Reason: letter.Reason, Action: action}
	if err != nil {
		done.Action, done.Error = Failed, new(err.Error())
	}
	if r.progress != nil {
		r.progress(done)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Counts[done.Action]++
	r.result.Messages = append(r.result.Messages, done)
}

func (r *replay) carryOut(ctx context.Context, action Action, message queue.Message) error {
	if action == Replayed {
		if err := r.Source.Redrive(ctx, message); err != nil {
			return err
		}
	}
	if action == Skipped {
		return nil
	}
	return r.Remover.Delete(ctx, message)
}
