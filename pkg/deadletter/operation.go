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

// Remover deletes messages from the dead-letter queue.
type Remover interface {
	Delete(ctx context.Context, message queue.Message) error
}

// Queue holds the access to the dead-letter queue and to the ledger that Replayer and Discarder share.
type Queue struct {
	Messages Browser
	Records  Records
	Remover  Remover
	Now      func() time.Time
}

// Action is the effect of an operation on a message, or the predicted one in a dry run.
type Action string

// The actions.
const (
	Replayed  Action = "replayed"
	Discarded Action = "discarded"
	Skipped   Action = "skipped"  // not replayed: its invoice is finished, so that a replay has no effect
	Dropped   Action = "dropped"  // deleted without a replay, for the same reason
	Released  Action = "released" // discarded after the claims of its invoice were released
	Refused   Action = "refused"  // not discarded: its invoice holds claims, which were not released
	Failed    Action = "failed"   // another error: the message may still be in the dead-letter queue
)

// Actions returns all actions.
var Actions = []Action{Replayed, Discarded, Released, Skipped, Dropped, Refused, Failed}

// MessageResult is the result of an operation for one message.
type MessageResult struct {
	MessageID string  `json:"message_id"`
	EventID   *string `json:"event_id"`
	InvoiceID *string `json:"invoice_id"`
	Reason    *string `json:"reason"`
	Action    Action  `json:"action"`
	Error     *string `json:"error"` // why it failed or was refused
}

// Result is the result of an operation for all selected messages.
type Result struct {
	Complete bool            `json:"complete"` // the last browse visited every message
	DryRun   bool            `json:"dry_run"`
	Counts   map[Action]int  `json:"counts"`
	Messages []MessageResult `json:"messages"`
	Archive  *string         `json:"archive"` // path of the file with the discarded messages; null if there is none
}

// Progress has the functions that an operation calls while it runs. Each may be nil.
type Progress struct {
	Done    func(MessageResult) // called concurrently
	Waiting func(reason string) // called, possibly repeatedly, while the operation waits between browses
}

// ErrPartial means that some messages failed or were not visited.
var ErrPartial = errors.New("incomplete: some dead letters were not processed; run again")

// ErrRefused means that some messages were refused or skipped, and all others were processed.
var ErrRefused = errors.New("some dead letters were refused or skipped: see the result")

const (
	// messageTimeout is the maximum time to send and delete one message.
	messageTimeout = 30 * time.Second
	// rebrowseDelay is the delay before the queue is browsed again because some messages were not visited. A
	// browse is incomplete if SQS counts messages in flight, and that count may be a minute old.
	rebrowseDelay = time.Minute
)

// operation is a replay or a discard of each selected message.
type operation interface {
	// decide returns the action for a message.
	decide(message Message) Action
	// isIgnored reports whether the message is left as it is, without a result.
	isIgnored(message queue.Message) bool
	// waitTurn waits until the action may be applied to one message. It returns errNotNow if that would take
	// too long: then the message is postponed to a later browse.
	waitTurn(ctx context.Context, action Action) error
	// waitReady waits until a postponed message can be processed. It calls waiting while it waits.
	waitReady(ctx context.Context, waiting func(reason string)) error
	// apply applies the action. After ErrReleaseRefused the message is still in the dead-letter queue.
	apply(ctx context.Context, action Action, message queue.Message) error
	// predict replaces apply in a dry run: it changes nothing, and returns ErrReleaseRefused if apply would.
	predict(ctx context.Context, action Action, message queue.Message) error
}

// errNotNow means that a message is postponed: see operation.waitTurn.
var errNotNow = errors.New("deadletter: not now")

// runner applies an operation once to each selected message.
type runner struct {
	Queue
	operation

	filter   Filter
	dryRun   bool
	progress Progress

	started   time.Time
	processed map[string]bool // message ids
	result    Result
}

// run browses the queue until a browse was complete and postponed no message. After a browse that
//
//	postponed messages                      it waits for the operation and browses again
//	was incomplete, but processed messages  it waits rebrowseDelay and browses again
//	was incomplete, and processed none      it returns ErrPartial, as in a dry run after any incomplete browse
//
// Errors: those of the queue, the ledger and the operation, ErrRefused, and ErrPartial, also if ctx ends.
func (r *runner) run(ctx context.Context) (Result, error) {
	r.started, r.processed = r.Now(), map[string]bool{}
	r.result = Result{DryRun: r.dryRun, Counts: map[Action]int{}, Messages: []MessageResult{}}
	for {
		before := len(r.processed)
		postponed, err := r.browse(ctx)
		switch {
		case err != nil: // returned below
		case postponed:
			err = r.waitReady(ctx, r.reportWaiting)
		case r.result.Complete || r.dryRun || len(r.processed) == before:
			return r.result, r.resultError()
		default:
			r.reportWaiting("some messages were not visited: trying again in a minute")
			err = retry.Wait(ctx, rebrowseDelay, nil)
		}
		switch {
		case ctx.Err() != nil:
			r.result.Complete = false
			return r.result, fmt.Errorf("%w (%w)", ErrPartial, context.Cause(ctx))
		case err != nil:
			return r.result, err
		}
	}
}

// resultError returns the error for messages that were not processed, nil if there are none.
func (r *runner) resultError() error {
	switch counts := r.result.Counts; {
	case !r.result.Complete || counts[Failed] > 0:
		return ErrPartial
	case counts[Refused]+counts[Skipped] > 0:
		return ErrRefused
	default:
		return nil
	}
}

// browse visits the messages of the queue once. postponed reports whether some must be visited again later.
func (r *runner) browse(ctx context.Context) (postponed bool, err error) {
	var visitErr error
	complete, err := r.Messages.Browse(ctx, func(messages []queue.Message) bool {
		for _, visit := range r.visitAll(ctx, messages) {
			if errors.Is(visit.err, errNotNow) {
				postponed = true
			} else {
				visitErr = cmp.Or(visitErr, visit.err)
			}
		}
		return visitErr == nil && ctx.Err() == nil
	})
	err = errors.Join(visitErr, err)
	r.result.Complete = complete && err == nil
	return postponed, err
}

// visit is the processing of one message.
type visit struct {
	message  queue.Message
	selected bool
	result   MessageResult
	err      error // of the ledger or of waitTurn; with it the message has no result
}

// visitAll processes the messages of one receive concurrently. It waits for all: when the visit function of
// Browse has returned, other consumers may receive them.
func (r *runner) visitAll(ctx context.Context, messages []queue.Message) []*visit {
	var visits []*visit
	var running sync.WaitGroup
	for _, message := range messages {
		if r.processed[message.ID] || r.isIgnored(message) {
			continue
		}
		v := &visit{message: message}
		visits = append(visits, v)
		running.Go(func() { r.process(ctx, v) })
	}
	running.Wait()
	for _, v := range visits {
		if v.selected && v.err == nil {
			r.processed[v.result.MessageID] = true
			r.result.Counts[v.result.Action]++
			r.result.Messages = append(r.result.Messages, v.result)
		}
	}
	return visits
}

// process processes one message, and sets the other fields of its visit.
func (r *runner) process(ctx context.Context, v *visit) {
	message := describe(v.message)
	if v.selected = r.filter.selects(message, r.started); !v.selected {
		return
	}
	if _, _, err := message.addRecord(ctx, r.Records); err != nil {
		v.err = fmt.Errorf("read the record for message %s: %w", message.MessageID, err)
		return
	}
	v.result = MessageResult{
		MessageID: message.MessageID, EventID: message.EventID, InvoiceID: message.InvoiceID, Reason: message.Reason, Action: r.decide(message),
	}
	apply := r.predict
	if !r.dryRun {
		if v.err = r.waitTurn(ctx, v.result.Action); v.err != nil {
			return
		}
		apply = r.apply
	}
	if err := apply(ctx, v.result.Action, v.message); err != nil {
		v.result.Action, v.result.Error = Failed, new(err.Error())
		if errors.Is(err, ErrReleaseRefused) {
			v.result.Action = Refused
		}
	}
	if r.progress.Done != nil {
		r.progress.Done(v.result)
	}
}

func (r *runner) reportWaiting(reason string) {
	if r.progress.Waiting != nil {
		r.progress.Waiting(reason)
	}
}

// withMessageTimeout returns a context in which one message is processed to its end, also if ctx ends:
// a message that was sent and not deleted would be in both queues.
func withMessageTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), messageTimeout)
}
