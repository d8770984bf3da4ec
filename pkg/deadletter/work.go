package deadletter

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/queue"
)

// atOnce is how many letters are worked on at the same time: enough to fill the batches
// that they share.
const atOnce = 32

// Remover takes messages out of the dead-letter queue.
type Remover interface {
	Delete(ctx context.Context, letter queue.Message) error
}

// Box is the dead letters, and what is known of them.
type Box struct {
	Letters Browser
	Heads   Heads
	Remover Remover
	Now     func() time.Time
}

// Action is what was done with a letter, or in a dry run would be.
type Action string

// The actions.
const (
	Replayed  Action = "replayed"
	Discarded Action = "discarded"
	Skipped   Action = "skipped" // the ledger says that its invoice is billed: a replay would do nothing
	Dropped   Action = "dropped" // for the same reason
	Refused   Action = "refused" // events are claimed for its invoice, and nothing else leads to them
	Failed    Action = "failed"  // it lies where it lay
)

// Actions are all of them.
var Actions = []Action{Replayed, Discarded, Skipped, Dropped, Refused, Failed}

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

// ErrPartial says that some letters could not be dealt with, or not be seen.
var ErrPartial = errors.New("not all dead letters were dealt with: start it again")

// work deals with each dead letter that is chosen, once.
type work struct {
	Box

	filter Filter
	dryRun bool

	decide   func(Letter) Action
	carryOut func(context.Context, Action, queue.Message) error
	progress func(Step) // may be nil; called by several goroutines

	seen map[[sha256.Size]byte]int // replay counts by body; only Browse's goroutine looks

	mu     sync.Mutex
	result Result
	err    error // of the ledger
}

// run does it. Errors: those of the queue and the ledger, and ErrPartial.
func (w *work) run(ctx context.Context) (Result, error) {
	w.seen = map[[sha256.Size]byte]int{}
	w.result = Result{DryRun: w.dryRun, Counts: map[Action]int{}, Messages: []Step{}}
	began := w.Now()
	slots := make(chan struct{}, atOnce)
	var steps sync.WaitGroup
	complete, err := w.Letters.Browse(ctx, func(letter queue.Message) bool {
		if w.again(letter) {
			return true
		}
		slots <- struct{}{}
		steps.Go(func() {
			defer func() { <-slots }()
			w.step(ctx, letter, began)
		})
		return ctx.Err() == nil && !w.broken()
	})
	steps.Wait()
	w.result.Complete = complete
	if err := errors.Join(w.err, err); err != nil {
		return w.result, err
	}
	if !complete || w.result.Counts[Failed] > 0 {
		return w.result, ErrPartial
	}
	return w.result, nil
}

// again tells whether the letter was replayed while this runs, and has failed once more:
// it has an equal that was replayed less often. One as often replayed is a copy of the
// message, for delivery is at least once.
func (w *work) again(letter queue.Message) bool {
	digest, count := sha256.Sum256(letter.Body), letter.ReplayCount()
	before, seen := w.seen[digest]
	if seen && before < count {
		return true
	}
	w.seen[digest] = count
	return false
}

func (w *work) broken() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err != nil
}

// step deals with one letter.
func (w *work) step(ctx context.Context, message queue.Message, began time.Time) {
	letter, err := read(ctx, w.Heads, message)
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.err = fmt.Errorf("what the ledger says of message %s: %w", message.ID, err)
		return
	}
	if !w.filter.chooses(letter, began) {
		return
	}
	done := Step{MessageID: letter.MessageID, EventID: letter.EventID, InvoiceID: letter.InvoiceID, Reason: letter.Reason, Action: w.decide(letter)}
	if !w.dryRun {
		if err := w.carryOut(ctx, done.Action, message); err != nil {
			done.Action, done.Error = Failed, new(err.Error())
		}
	}
	if w.progress != nil {
		w.progress(done)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.result.Counts[done.Action]++
	w.result.Messages = append(w.result.Messages, done)
}
