package sqsqueue

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/semaphore"
)

// HealthTimeout bounds a check of Health.
const HealthTimeout = time.Second

const healthMaxAge = 2 * time.Second // of a cached result

// Health reports whether a queue responds. It is safe for concurrent use.
type Health struct {
	client Client
	url    string

	sem       *semaphore.Weighted // of 1: guards the fields below. A mutex would stop synctest's clock
	checkedAt time.Time
	err       error
}

// NewHealth returns the health check of the queue at the URL.
func NewHealth(client Client, url string) *Health {
	return &Health{client: client, url: url, sem: semaphore.NewWeighted(1)}
}

// Check returns nil if the queue responded within the last 2 s or responds now. It takes up
// to a second. Concurrent callers share one call.
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
