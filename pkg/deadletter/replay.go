package deadletter

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
)

// Source is the queue that dead letters come from.
type Source interface {
	// Redrive sends a dead letter to the queue, without the attributes that dead-lettering added. It
	// returns nil only if the queue has it.
	Redrive(ctx context.Context, message queue.Message) error
}

// Replayer sends dead letters back to the queue that they come from.
type Replayer struct {
	Queue

	Source            Source
	RateLimit         RateLimit
	RequestsPerMinute int // chargebee.requests_per_minute
}

// ReplayOptions are the options of Replayer.Run.
type ReplayOptions struct {
	Filter
	DropDone bool // delete messages of finished invoices instead of skipping them
	Limit    int  // select at most this number of messages, those that failed first; 0: all
	DryRun   bool // change nothing
}

// Run replays the selected messages at the rate of the pacer, and waits while calls to Chargebee are paused.
// Messages of finished invoices are skipped or dropped. With a limit, Run first browses the queue to find the
// oldest messages, because SQS has no order.
//
// A message is sent before it is deleted: a crash may leave it in both queues, which is harmless. So Run may be
// repeated at any time. A message that fails again during Run is not replayed again.
//
// Errors: those of Messages, Records and RateLimit, ErrPartial and ErrRefused.
func (r *Replayer) Run(ctx context.Context, options ReplayOptions, progress Progress) (Result, error) {
	operation := replay{
		Replayer: r,
		options:  options,
		pacer:    &pacer{rateLimit: r.RateLimit, perMinute: r.RequestsPerMinute, now: r.Now},
		counts:   replayCounts{},
	}
	complete := true
	if options.Limit > 0 {
		var err error
		if options.Messages, complete, err = r.oldest(ctx, options); err != nil {
			return Result{}, err
		}
	}
	run := &runner{Queue: r.Queue, operation: operation, filter: options.Filter, dryRun: options.DryRun, progress: progress}
	result, err := run.run(ctx)
	if !complete {
		result.Complete, err = false, cmp.Or(err, ErrPartial)
	}
	return result, err
}

// oldest returns the ids of the messages that failed first, at most options.Limit. complete is false if not all
// messages were visited: one that was not may be older.
func (r *Replayer) oldest(ctx context.Context, options ReplayOptions) (ids map[string]bool, complete bool, err error) {
	type failure struct {
		id string
		at time.Time
	}
	var found []failure
	now := r.Now()
	complete, err = r.Messages.Browse(ctx, func(messages []queue.Message) bool {
		for _, received := range messages {
			if message := describe(received); options.selects(message, now) {
				found = append(found, failure{message.MessageID, message.failedOrSentAt()})
			}
		}
		return ctx.Err() == nil
	})
	slices.SortFunc(found, func(a, b failure) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.id, b.id)) })
	ids = map[string]bool{}
	for _, oldest := range found[:min(options.Limit, len(found))] {
		ids[oldest.id] = true
	}
	return ids, complete, cmp.Or(err, context.Cause(ctx))
}

// replay is the operation of a Replayer.
type replay struct {
	*Replayer

	options ReplayOptions
	pacer   *pacer
	counts  replayCounts
}

func (r replay) decide(message Message) Action {
	switch {
	case message.LedgerState != string(billing.Finished):
		return Replayed
	case r.options.DropDone:
		return Dropped
	default:
		return Skipped
	}
}

func (r replay) isIgnored(message queue.Message) bool { return r.counts.failedAgain(message) }

func (r replay) waitTurn(ctx context.Context, action Action) error {
	if action != Replayed {
		return nil
	}
	return r.pacer.waitTurn(ctx)
}

func (r replay) waitReady(ctx context.Context, waiting func(reason string)) error {
	return r.pacer.waitReady(ctx, waiting)
}

func (r replay) apply(ctx context.Context, action Action, message queue.Message) error {
	ctx, cancel := withMessageTimeout(ctx)
	defer cancel()
	switch action {
	case Replayed:
		if err := r.Source.Redrive(ctx, message); err != nil {
			return err
		}
		return r.Remover.Delete(ctx, message)
	case Dropped:
		return r.Remover.Delete(ctx, message)
	default:
		return nil
	}
}

func (replay) predict(context.Context, Action, queue.Message) error { return nil }

// replayCounts holds, by the hash of a body, the lowest replay count of the messages with that body so far.
type replayCounts map[[sha256.Size]byte]int

// failedAgain reports whether a message with the same body and a lower replay count was visited before: then that
// message was replayed during this run, and this is the same message after it failed again. Otherwise it records the count.
// With the same body and the same count, the message is a copy, which SQS may deliver.
func (c replayCounts) failedAgain(message queue.Message) bool {
	digest, count := sha256.Sum256(message.Body), message.ReplayCount()
	before, seen := c[digest]
	if seen && before < count {
		return true
	}
	c[digest] = count
	return false
}
