package sqsqueue

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	healthFresh   = 2 * time.Second // an answer may be this old
	healthTimeout = time.Second
)

// AttributesAPI is what Health needs of the SDK's client.
type AttributesAPI interface {
	GetQueueAttributes(ctx context.Context, input *sqs.GetQueueAttributesInput, options ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error)
}

// Health tells whether a queue answers. It is safe for concurrent use.
type Health struct {
	client AttributesAPI
	url    string

	turn    chan struct{} // held by the one caller who asks; guards what follows
	askedAt time.Time
	err     error
}

// NewHealth returns the health of the queue with the given URL.
func NewHealth(client AttributesAPI, url string) *Health {
	return &Health{client: client, url: url, turn: make(chan struct{}, 1)}
}

// Check returns nil if the queue answered within the last 2 s, or answers now. It
// takes up to a second. However many ask, one call is under way.
func (h *Health) Check() error {
	h.turn <- struct{}{}
	defer func() { <-h.turn }()
	if !h.askedAt.IsZero() && time.Since(h.askedAt) < healthFresh {
		return h.err
	}
	h.askedAt = time.Now()
	h.err = h.ask()
	return h.err
}

func (h *Health) ask() error {
	ctx, cancel := context.WithTimeout(context.Background(), healthTimeout)
	defer cancel()
	_, err := h.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl:       &h.url,
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	}, once)
	if err != nil {
		return fmt.Errorf("the queue does not answer: %w", failureOf(err))
	}
	return nil
}
