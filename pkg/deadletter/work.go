package deadletter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/retry"
)

// Remover takes messages out of the dead-letter queue.
type Remover interface {
	Delete(ctx context.Context, letter queue.Message) error
}

// Box is the dead letters, and what is known of them.
type Box struct {
	Letters Browser
	Records Records
	Remover Remover
	Now     func() time.Time
}

// Action is what was done with a letter, or in a dry run would be.
type Action string

// The actions.
const (
	Replayed  Action = "replayed"
	Discarded Action = "discarded"
	Skipped   Action = "skipped"  // the ledger says that its invoice is billed: a replay would do nothing
	Dropped   Action = "dropped"  // for the same reason
	Released  Action = "released" // its claims were given back, and then it was discarded; in a dry run: if that is safe
	Refused   Action = "refused"  // events are claimed for its invoice, and nothing else leads to them
	Failed    Action = "failed"   // it lies where it lay
)

// Actions are all of them.
var Actions = []Action{Replayed, Discarded, Released, Skipped, Dropped, Refused, Failed}

// Step is what became of one letter.
type Step struct {
	MessageID string  `json:"message_id"`
	EventID   *string `json:"event_id"`
	InvoiceID *string `json:"invoice_id"`
	Reason    *string `json:"reason"`
	Action    Action  `json:"action"`
	Error     *string `json:"error"` // why it failed, or its release was refused
}

// Result is what became of all letters that were chosen.
type Result struct {
	Complete bool           `json:"complete"` // every letter was seen
	DryRun   bool           `json:"dry_run"`
	Counts   map[Action]int `json:"counts"`
	Messages []Step         `json:"messages"`
}

// Progress is told how far it is. Either may be nil, and be called by several goroutines.
type Progress struct {
	Step  func(Step)
	Waits func(why string) // nothing goes on for a while
}

// ErrPartial says that some letters could not be dealt with, or not be seen.
var ErrPartial = errors.New("not all dead letters were dealt with: start it again")

const (
	// letterTime is how long one letter may take to be sent, or kept, and deleted.
	letterTime = 30 * time.Second
	// againAfter is how long until the letters that a browse did not see are looked for:
	// what the queue says about messages in others' hands may be so old.
	againAfter = time.Minute
)

// work deals with each dead letter that is chosen, once.
type work struct {
	Box

	filter   Filter
	dryRun   bool
	progress Progress

	decide   func(Letter) Action
	turn     func(context.Context, Action) error           // waits for when it may be carried out; errNotNow: put it off
	ready    func(context.Context, func(why string)) error // waits until what was put off may be looked at again
	carryOut func(context.Context, Action, queue.Message) error
	passOver func(queue.Message) bool // letters that are not the work's; may be nil

	began  time.Time
	dealt  map[string]bool // message ids
	result Result
}

// step is one letter as it is dealt with.
type step struct {
	message queue.Message
	Step

	chosen bool
	err    error // of the ledger, errNotNow, or why ctx ended
}

// run does it. One browse ends after some minutes, and what is put off is given back: as
// long as it gets on, the queue is browsed again. Errors: those of the queue and the
// ledger, and ErrPartial, also when ctx ends.
func (w *work) run(ctx context.Context) (Result, error) {
	w.began, w.dealt = w.Now(), map[string]bool{}
	w.result = Result{DryRun: w.dryRun, Counts: map[Action]int{}, Messages: []Step{}}
	for {
		before := len(w.dealt)
		putOff, err := w.browse(ctx)
		switch {
		case err != nil:
		case putOff:
			err = w.ready(ctx, w.waits)
		case w.result.Complete || w.dryRun || len(w.dealt) == before:
			return w.result, w.end()
		default:
			w.waits("some letters were not seen: they are looked for in a minute")
			err = retry.Wait(ctx, againAfter, nil)
		}
		switch {
		case ctx.Err() != nil:
			w.result.Complete = false
			return w.result, fmt.Errorf("%w (%w)", ErrPartial, context.Cause(ctx))
		case err != nil:
			return w.result, err
		}
	}
}

func (w *work) end() error {
	if !w.result.Complete || w.result.Counts[Failed] > 0 {
		return ErrPartial
	}
	return nil
}

// browse goes over the queue once. putOff says that letters wait for their turn.
func (w *work) browse(ctx context.Context) (putOff bool, err error) {
	var failed error
	complete, err := w.Letters.Browse(ctx, func(messages []queue.Message) bool {
		for _, step := range w.stepAll(ctx, messages) {
			if errors.Is(step.err, errNotNow) {
				putOff = true
			} else {
				failed = cmp.Or(failed, step.err)
			}
		}
		return failed == nil && ctx.Err() == nil
	})
	err = errors.Join(failed, err)
	w.result.Complete = complete && err == nil
	return putOff, err
}

// stepAll deals with the letters of one receive, all at the same time. It returns when
// none of them is worked on anymore: then they may be given back.
func (w *work) stepAll(ctx context.Context, messages []queue.Message) []*step {
	var steps []*step
	var walking sync.WaitGroup
	for _, message := range messages {
		if w.dealt[message.ID] || w.passOver != nil && w.passOver(message) {
			continue
		}
		next := &step{message: message}
		steps = append(steps, next)
		walking.Go(func() { w.step(ctx, next) })
	}
	walking.Wait()
	for _, step := range steps {
		if step.chosen && step.err == nil {
			w.dealt[step.MessageID] = true
			w.result.Counts[step.Action]++
			w.result.Messages = append(w.result.Messages, step.Step)
		}
	}
	return steps
}

// step deals with one letter.
func (w *work) step(ctx context.Context, s *step) {
	letter := read(s.message)
	if s.chosen = w.filter.chooses(letter, w.began); !s.chosen {
		return
	}
	if _, _, err := letter.consult(ctx, w.Records); err != nil {
		s.err = fmt.Errorf("what the ledger says of message %s: %w", letter.MessageID, err)
		return
	}
	s.Step = Step{MessageID: letter.MessageID, EventID: letter.EventID, InvoiceID: letter.InvoiceID, Reason: letter.Reason, Action: w.decide(letter)}
	if !w.dryRun {
		if s.err = w.turn(ctx, s.Action); s.err != nil {
			return
		}
		if err := w.carryOut(ctx, s.Action, s.message); err != nil {
			s.Action, s.Error = Failed, new(err.Error())
			if errors.Is(err, ErrReleaseRefused) {
				s.Action = Refused
			}
		}
	}
	if w.progress.Step != nil {
		w.progress.Step(s.Step)
	}
}

func (w *work) waits(why string) {
	if w.progress.Waits != nil {
		w.progress.Waits(why)
	}
}

// finishing is the time to carry one letter through: sent and kept, but not deleted, it
// would be there twice.
func finishing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), letterTime)
}
