package sqsqueue

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Limits of a batch.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
const (
	maxBatchEntries = 10
	maxBatchBytes   = 1 << 20
)

// attemptTimeout bounds one batch call. SQS responds within tens of milliseconds, but a dead
// connection never does, and the SDK sets no deadline. Two attempts fit the 5 s that a
// webhook has.
const attemptTimeout = 2 * time.Second

var errNotMentioned = errors.New("entry missing from response")

// batchCall makes one call for a batch. Its entries have their positions as ids.
type batchCall[Entry, Result any] func(ctx context.Context, batch []Entry) (batchResponse[Result], error)

// batchResponse is the response of SQS for the entries of a batch, by entry id.
type batchResponse[Result any] struct {
	successful map[string]Result
	failed     []types.BatchResultErrorEntry
}

// run makes the call for a batch. If SQS refuses the batch because of an entry, run repeats
// it entry by entry.
func (call batchCall[Entry, Result]) run(batch []Entry) []outcome[Result] {
	ctx, cancel := context.WithTimeout(context.Background(), attemptTimeout)
	response, err := call(ctx, batch)
	cancel()
	if err == nil {
		return response.outcomes(len(batch))
	}
	outcomes := make([]outcome[Result], 0, len(batch))
	failed := failureOf(err)
	split := failed.class == ClassRefused && len(batch) > 1
	for i := range batch {
		if split {
			outcomes = append(outcomes, call.run(batch[i:i+1])...)
		} else {
			outcomes = append(outcomes, outcome[Result]{err: failed})
		}
	}
	return outcomes
}

// outcomes returns the outcome of each entry by position. The status of the response is 200
// even if entries failed.
func (r batchResponse[Result]) outcomes(entries int) []outcome[Result] {
	failed := make(map[string]types.BatchResultErrorEntry, len(r.failed))
	for _, entry := range r.failed {
		if entry.Id != nil {
			failed[*entry.Id] = entry
		}
	}
	outcomes := make([]outcome[Result], entries)
	for i := range outcomes {
		id := entryID(i)
		if entry, ok := failed[id]; ok { //mutant:entry-failed
			outcomes[i].err = failureOfEntry(entry)
		} else if result, ok := r.successful[id]; ok {
			outcomes[i].result = result
		} else {
			outcomes[i].err = &failure{ClassUnavailable, errNotMentioned} //mutant:entry-not-mentioned
		}
	}
	return outcomes
}

// entryID returns an id that is unique within a batch. Message ids may not be.
func entryID(position int) string { return strconv.Itoa(position) }
