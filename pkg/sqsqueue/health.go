package sqsqueue

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/semaphore"
)

// HealthTimeout is the maximum duration of Health.Check.
const HealthTimeout = time.Second

const healthMaxAge = 2 * time.Second // of a result that Check returns again

// Health reports whether a queue responds. It is safe for concurrent use.
type Health struct {
	client Client
	url    string

	// sem, of size 1, guards the fields below. In tests, the clock of synctest stops while a goroutine waits
	// for a mutex.
	sem       *semaphore.Weighted
	checkedAt time.Time // start of the last call
	err       error     // result of the last call
}

// NewHealth returns the health check of the queue at the URL.
func NewHealth(client Client, url string) *Health {
	return &Health{client: client, url: url, sem: semaphore.NewWeighted(1)}
}

// Check calls the queue, and returns an error if that fails or takes longer than HealthTimeout. For
// healthMaxAge, it returns the same result without a call. Concurrent callers share one call.
func (h *Health) Check() error {
	_ = h.sem.Acquire(context.Background(), 1) // fails only if its context ends
	defer h.sem.Release(1)
	if !h.checkedAt.IsZero() && time.Since(h.checkedAt) < healthMaxAge {
		return h.err
	}
	h.checkedAt = time.Now()
	h.err = h.call()
	return h.err
}

func (h *Health) call() error {
	ctx, cancel := context.WithTimeout(context.Background(), HealthTimeout)
	defer cancel()
	_, err := h.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl:       &h.url,
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	}, withoutRetries)
	if err != nil {
		return fmt.Errorf("queue does not respond: %w", failureOf(err))
	}
	return nil
}
