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

// attemptTimeout bounds one call that changes something. SQS answers within tens of
// milliseconds; a connection that went dead never does, and the SDK has no deadline
// of its own for it. Two attempts fit the 5 s that a webhook has.
const attemptTimeout = 2 * time.Second

var errNotMentioned = errors.New("the answer does not mention the entry")

// batchCall makes one call for a batch, its entries named by their positions.
type batchCall[Entry, Result any] func(ctx context.Context, batch []Entry) (batchAnswer[Result], error)

// batchAnswer is what SQS says about the entries of a batch, each by its id.
type batchAnswer[Result any] struct {
	successful map[string]Result
	failed     []types.BatchResultErrorEntry
}

// commit carries out one batch. One that is refused whole for the fault of an entry
// is repeated entry by entry, so that the others do not suffer for it.
func (call batchCall[Entry, Result]) commit(batch []Entry) []outcome[Result] {
	ctx, cancel := context.WithTimeout(context.Background(), attemptTimeout)
	answer, err := call(ctx, batch)
	cancel()
	if err == nil {
		return answer.outcomes(len(batch))
	}
	outcomes := make([]outcome[Result], 0, len(batch))
	fault := failureOf(err)
	alone := fault.class == ClassRefused && len(batch) > 1
	for i := range batch {
		if alone {
			outcomes = append(outcomes, call.commit(batch[i:i+1])...)
		} else {
			outcomes = append(outcomes, outcome[Result]{err: fault})
		}
	}
	return outcomes
}

// outcomes judges each entry by what the answer says about it. The answer is a 200
// even if entries failed.
func (a batchAnswer[Result]) outcomes(entries int) []outcome[Result] {
	failed := make(map[string]types.BatchResultErrorEntry, len(a.failed))
	for _, entry := range a.failed {
		if entry.Id != nil {
			failed[*entry.Id] = entry
		}
	}
	outcomes := make([]outcome[Result], entries)
	for i := range outcomes {
		id := entryID(i)
		if entry, ok := failed[id]; ok { //mutant:entry-failed
			outcomes[i].err = failureOfEntry(entry)
		} else if result, ok := a.successful[id]; ok {
			outcomes[i].result = result
		} else {
			outcomes[i].err = &failure{ClassUnavailable, errNotMentioned} //mutant:entry-not-mentioned
		}
	}
	return outcomes
}

// entryID names an entry by its position: what it carries need not be unique within
// a batch.
func entryID(position int) string { return strconv.Itoa(position) }
