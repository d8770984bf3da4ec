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

// Queue is the dead-letter queue, with the ledger's records of its invoices.
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
	Skipped   Action = "skipped"  // its invoice is finished: a replay would do nothing
	Dropped   Action = "dropped"  // its invoice is finished: deleted
	Released  Action = "released" // claims released, then discarded
	Refused   Action = "refused"  // events are claimed for its invoice, and only the message refers to them
	Failed    Action = "failed"   // left in the dead-letter queue
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
	Complete bool            `json:"complete"` // every message was visited
	DryRun   bool            `json:"dry_run"`
	Counts   map[Action]int  `json:"counts"`
	Messages []MessageResult `json:"messages"`
	Archive  *string         `json:"archive"` // path of the file with the discarded messages; null if there is none
}

// Progress reports progress. Either function may be nil, and called concurrently.
type Progress struct {
	Done    func(MessageResult)
	Waiting func(reason string) // nothing is done for a while
}

// ErrPartial means that some messages could not be processed, or not be visited.
var ErrPartial = errors.New("incomplete: some dead letters were not processed; run again")

// ErrRefused means that some messages were refused or skipped, and all others were processed.
var ErrRefused = errors.New("some dead letters were refused or skipped: see the result")

const (
	// messageTimeout bounds sending or archiving, and deleting, one message.
	messageTimeout = 30 * time.Second
	// rebrowseDelay is the delay before the queue is browsed again because some messages were not visited.
	// SQS's counts of messages in flight may be a minute old.
	rebrowseDelay = time.Minute
)

// operation is a replay or a discard of each selected message.
type operation interface {
	// decide returns the action for a message.
	decide(message Message) Action
	// skip reports whether the operation ignores a message.
	skip(message queue.Message) bool
	// waitTurn waits until the action may be applied to one message. If that would take too long, it returns
	// errNotNow, and the message is postponed to a later browse.
	waitTurn(ctx context.Context, action Action) error
	// waitReady waits until waitTurn no longer returns errNotNow. It calls waiting while it waits.
	waitReady(ctx context.Context, waiting func(reason string)) error
	// apply applies the action. After ErrReleaseRefused the message is still in the dead-letter queue.
	apply(ctx context.Context, action Action, message queue.Message) error
	// predict returns the error that apply would return, and changes nothing.
	predict(ctx context.Context, action Action, message queue.Message) error
}

// errNotNow means that the action cannot be applied to a message soon.
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

// run browses the queue until every selected message was processed. A browse takes some minutes at most.
// After it, postponed messages are visible again, and the queue is browsed again as long as each browse
// processes a message. Errors: those of the queue and the ledger, and ErrPartial, also if ctx ends.
func (r *runner) run(ctx context.Context) (Result, error) {
	r.started, r.processed = r.Now(), map[string]bool{}
	r.result = Result{DryRun: r.dryRun, Counts: map[Action]int{}, Messages: []MessageResult{}}
	for {
		before := len(r.processed)
		postponed, err := r.browse(ctx)
		switch {
		case err != nil:
		case postponed:
			err = r.waitReady(ctx, r.reportWaiting)
		case r.result.Complete || r.dryRun || len(r.processed) == before:
			return r.result, r.partial()
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

func (r *runner) partial() error {
	switch counts := r.result.Counts; {
	case !r.result.Complete || counts[Failed] > 0:
		return ErrPartial
	case counts[Refused]+counts[Skipped] > 0:
		return ErrRefused
	default:
		return nil
	}
}

// browse visits the messages of the queue once. postponed reports that errNotNow was returned for some.
func (r *runner) browse(ctx context.Context) (postponed bool, err error) {
	var failed error
	complete, err := r.Messages.Browse(ctx, func(messages []queue.Message) bool {
		for _, visit := range r.visitAll(ctx, messages) {
			if errors.Is(visit.err, errNotNow) {
				postponed = true
			} else {
				failed = cmp.Or(failed, visit.err)
			}
		}
		return failed == nil && ctx.Err() == nil
	})
	err = errors.Join(failed, err)
	r.result.Complete = complete && err == nil
	return postponed, err
}

// visit is the processing of one message.
type visit struct {
	message  queue.Message
	selected bool
	result   MessageResult
	err      error // of the ledger, errNotNow, or the cause of ctx
}

// visitAll processes the messages of one receive concurrently, and returns when all are done, because they
// may become visible to others after that.
func (r *runner) visitAll(ctx context.Context, messages []queue.Message) []*visit {
	var visits []*visit
	var running sync.WaitGroup
	for _, message := range messages {
		if r.processed[message.ID] || r.skip(message) {
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

// process processes one message.
func (r *runner) process(ctx context.Context, v *visit) {
	message := describe(v.message)
	if v.selected = r.filter.selects(message, r.started); !v.selected {
		return
	}
	if _, _, err := message.addRecord(ctx, r.Records); err != nil {
		v.err = fmt.Errorf("read the record for message %s: %w", message.MessageID, err)
		return
	}
	v.result = MessageResult{MessageID: message.MessageID, EventID: message.EventID, InvoiceID: message.InvoiceID, Reason: message.Reason, Action: r.decide(message)}
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
