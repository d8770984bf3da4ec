package sqsqueue

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Limits of a batch. A single message is limited to maxBatchBytes, too.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
const (
	maxBatchEntries = 10
	maxBatchBytes   = 1 << 20
)

// attemptTimeout is the timeout of one batch call. SQS responds within tens of milliseconds, but on a
// dead connection no response arrives, and the SDK sets no deadline. The receiver has 5 s for a webhook
// by default, enough for two attempts.
const attemptTimeout = 2 * time.Second

var errEntryMissing = errors.New("entry missing from response")

// batchCall sends a batch in one call of SQS. In the call, the id of an entry is entryID of its position.
type batchCall[Entry, Result any] func(ctx context.Context, batch []Entry) (batchResponse[Result], error)

// batchResponse is the response of SQS to a batchCall.
type batchResponse[Result any] struct {
	successful map[string]Result // by entry id
	failed     []types.BatchResultErrorEntry
}

// run sends a batch and returns the outcome of each entry, by position. If SQS refuses the whole batch,
// one entry can be the cause: run then sends each entry alone.
func (call batchCall[Entry, Result]) run(batch []Entry) []outcome[Result] {
	ctx, cancel := context.WithTimeout(context.Background(), attemptTimeout)
	response, err := call(ctx, batch)
	cancel()
	if err == nil {
		return response.outcomes(len(batch))
	}
	outcomes := make([]outcome[Result], len(batch))
	failed := failureOf(err)
	split := failed.class == ClassRefused && len(batch) > 1
	for i := range batch {
		if split {
			outcomes[i] = call.run(batch[i : i+1])[0]
		} else {
			outcomes[i].err = failed
		}
	}
	return outcomes
}

// outcomes returns the outcomes of a batch of count entries, by position.
func (r batchResponse[Result]) outcomes(count int) []outcome[Result] {
	failed := make(map[string]types.BatchResultErrorEntry, len(r.failed))
	for _, entry := range r.failed {
		if entry.Id != nil {
			failed[*entry.Id] = entry
		}
	}
	outcomes := make([]outcome[Result], count)
	for i := range outcomes {
		id := entryID(i)
		if entry, ok := failed[id]; ok { //mutant:entry-failed
			outcomes[i].err = failureOfEntry(entry)
		} else if result, ok := r.successful[id]; ok {
			outcomes[i].result = result
		} else {
			outcomes[i].err = &failure{ClassUnavailable, errEntryMissing} //mutant:entry-not-mentioned
		}
	}
	return outcomes
}

// entryID returns the id of the entry at a position of a batch.
func entryID(position int) string { return strconv.Itoa(position) }
