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
)

// ErrNoQueue means that there is no queue at the URL.
var ErrNoQueue = errors.New("sqs: queue not found")

// Attributes is the configuration of a queue, as far as Billable depends on it.
type Attributes struct {
	ARN             string
	FIFO            bool
	Retention       time.Duration
	Delay           time.Duration // of every message
	Visibility      time.Duration // default of a receive
	MaxMessageBytes int
	Encrypted       bool
	KMSKey          string // empty: owned by SQS

	RedriveTarget string // ARN; empty: messages are never moved
	MaxReceives   int    // of a message before it is moved
	AllowsSources string // redrive permission: allowAll, denyAll, byQueue; empty: allowAll
	Sources       string // ARNs that byQueue allows, separated by spaces

	Visible  int // messages; SQS counts with up to a minute of delay
	InFlight int // received and not deleted
	Delayed  int
}

// Describe reads the configuration of the queue at the URL. Errors: ErrNoQueue,
// ErrUnavailable, and those that Denied reports.
func Describe(ctx context.Context, client Client, url string) (Attributes, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	output, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	switch {
	case err == nil:
		return parseAttributes(output.Attributes)
	case as[*types.QueueDoesNotExist](err), as[*types.InvalidAddress](err):
		return Attributes{}, fmt.Errorf("%w: %w", ErrNoQueue, err)
	default:
		return Attributes{}, fmt.Errorf("describe queue: %w", failureOf(err))
	}
}

// parseAttributes converts attributes, all of which are strings. Absent ones are zero.
func parseAttributes(values map[string]string) (Attributes, error) {
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
	policies := []string{cmp.Or(attributes.RedrivePolicy, "{}"), cmp.Or(attributes.RedriveAllowPolicy, "{}")}
	err = errors.Join(err, json.Unmarshal([]byte(policies[0]), &redrive), json.Unmarshal([]byte(policies[1]), &allow))
	if err != nil {
		return Attributes{}, fmt.Errorf("describe queue: %w", err)
	}
	maxReceives, _ := redrive.MaxReceiveCount.Int64()
	return Attributes{
		ARN:             attributes.QueueArn,
		FIFO:            attributes.FifoQueue,
		Retention:       time.Duration(attributes.MessageRetentionPeriod) * time.Second,
		Delay:           time.Duration(attributes.DelaySeconds) * time.Second,
		Visibility:      time.Duration(attributes.VisibilityTimeout) * time.Second,
		MaxMessageBytes: attributes.MaximumMessageSize,
		Encrypted:       attributes.KmsMasterKeyID != "" || attributes.SqsManagedSseEnabled,
		KMSKey:          attributes.KmsMasterKeyID,
		RedriveTarget:   redrive.DeadLetterTargetArn,
		MaxReceives:     int(maxReceives),
		AllowsSources:   allow.RedrivePermission,
		Sources:         strings.Join(allow.SourceQueueArns, " "),
		Visible:         attributes.ApproximateNumberOfMessages,
		InFlight:        attributes.ApproximateNumberOfMessagesNotVisible,
		Delayed:         attributes.ApproximateNumberOfMessagesDelayed,
	}, nil
}
