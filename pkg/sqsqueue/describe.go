package sqsqueue

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/billable-events/billable/pkg/finding"
)

// ErrNoQueue means that there is no queue at the URL.
var ErrNoQueue = errors.New("sqs: queue not found")

// Describe reads the configuration of the queue at the URL. Errors: ErrNoQueue, ErrRefused, ErrUnavailable
// (see Denied for a missing permission), and one for attributes that cannot be parsed.
func Describe(ctx context.Context, client Client, url string) (finding.QueueAttributes, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	output, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	switch {
	case err == nil:
		return parseAttributes(output.Attributes)
	case as[*types.QueueDoesNotExist](err), as[*types.InvalidAddress](err):
		return finding.QueueAttributes{}, fmt.Errorf("%w: %w", ErrNoQueue, err)
	default:
		return finding.QueueAttributes{}, fmt.Errorf("describe queue: %w", failureOf(err))
	}
}

// parseAttributes converts the attributes, which SQS sends as strings. It encodes them as JSON, because
// encoding/json can parse strings as numbers and booleans. Absent attributes are zero.
func parseAttributes(values map[string]string) (finding.QueueAttributes, error) {
	var attributes struct {
		QueueArn, KmsMasterKeyID              string
		RedrivePolicy, RedriveAllowPolicy     string // JSON
		FifoQueue, SqsManagedSseEnabled       bool   `json:",string"`
		MessageRetentionPeriod, DelaySeconds  int    `json:",string"`
		VisibilityTimeout, MaximumMessageSize int    `json:",string"`
		ApproximateNumberOfMessages           int    `json:",string"`
		ApproximateNumberOfMessagesNotVisible int    `json:",string"`
		ApproximateNumberOfMessagesDelayed    int    `json:",string"`
	}
	var redrive struct {
		DeadLetterTargetArn string
		MaxReceiveCount     json.Number // 3 or "3"
	}
	var allow struct {
		RedrivePermission string
		SourceQueueArns   []string
	}
	encoded, err := json.Marshal(values)
	err = errors.Join(err, json.Unmarshal(encoded, &attributes))
	err = errors.Join(err, json.Unmarshal([]byte(cmp.Or(attributes.RedrivePolicy, "{}")), &redrive))
	err = errors.Join(err, json.Unmarshal([]byte(cmp.Or(attributes.RedriveAllowPolicy, "{}")), &allow))
	if err != nil {
		return finding.QueueAttributes{}, fmt.Errorf("describe queue: %w", err)
	}
	maxReceives, _ := redrive.MaxReceiveCount.Int64()
	return finding.QueueAttributes{
		ARN:               attributes.QueueArn,
		FIFO:              attributes.FifoQueue,
		Retention:         time.Duration(attributes.MessageRetentionPeriod) * time.Second,
		Delay:             time.Duration(attributes.DelaySeconds) * time.Second,
		Visibility:        time.Duration(attributes.VisibilityTimeout) * time.Second,
		MaxMessageBytes:   attributes.MaximumMessageSize,
		Encrypted:         attributes.KmsMasterKeyID != "" || attributes.SqsManagedSseEnabled,
		KMSKey:            attributes.KmsMasterKeyID,
		RedriveTarget:     redrive.DeadLetterTargetArn,
		MaxReceives:       int(maxReceives),
		RedrivePermission: allow.RedrivePermission,
		Sources:           strings.Join(allow.SourceQueueArns, " "),
		Visible:           attributes.ApproximateNumberOfMessages,
		InFlight:          attributes.ApproximateNumberOfMessagesNotVisible,
		Delayed:           attributes.ApproximateNumberOfMessagesDelayed,
	}, nil
}
