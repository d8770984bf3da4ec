package sqsqueue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
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
		return readAttributes(output.Attributes)
	case as[*types.QueueDoesNotExist](err), as[*types.InvalidAddress](err):
		return Attributes{}, fmt.Errorf("%w: %w", ErrNoQueue, err)
	default:
		return Attributes{}, fmt.Errorf("describe queue: %w", failureOf(err))
	}
}

func readAttributes(given map[string]string) (Attributes, error) {
	r := attributeReader{given: given}
	found := Attributes{
		ARN:             given["QueueArn"],
		FIFO:            given["FifoQueue"] == "true",
		Retention:       r.seconds("MessageRetentionPeriod"),
		Delay:           r.seconds("DelaySeconds"),
		Visibility:      r.seconds("VisibilityTimeout"),
		MaxMessageBytes: r.integer("MaximumMessageSize"),
		KMSKey:          given["KmsMasterKeyId"],
		Visible:         r.integer("ApproximateNumberOfMessages"),
		InFlight:        r.integer("ApproximateNumberOfMessagesNotVisible"),
		Delayed:         r.integer("ApproximateNumberOfMessagesDelayed"),
	}
	found.Encrypted = found.KMSKey != "" || given["SqsManagedSseEnabled"] == "true"

	var redrive struct {
		Target      string      `json:"deadLetterTargetArn"`
		MaxReceives json.Number `json:"maxReceiveCount"` // 3 or "3"
	}
	r.policy("RedrivePolicy", &redrive)
	found.RedriveTarget = redrive.Target
	if redrive.MaxReceives != "" {
		found.MaxReceives = r.number("RedrivePolicy", redrive.MaxReceives.String())
	}
	var allow struct {
		Permission string   `json:"redrivePermission"`
		Sources    []string `json:"sourceQueueArns"`
	}
	r.policy("RedriveAllowPolicy", &allow)
	found.AllowsSources, found.Sources = allow.Permission, strings.Join(allow.Sources, " ")
	return found, r.err
}

// attributeReader parses attribute values and keeps the first error.
type attributeReader struct {
	given map[string]string
	err   error
}

func (r *attributeReader) integer(name string) int { return r.number(name, r.given[name]) }

func (r *attributeReader) seconds(name string) time.Duration {
	return time.Duration(r.integer(name)) * time.Second
}

func (r *attributeReader) number(name, value string) int {
	number, err := strconv.Atoi(value)
	r.record(name, err)
	return number
}

func (r *attributeReader) policy(name string, into any) {
	if value := r.given[name]; value != "" {
		r.record(name, json.Unmarshal([]byte(value), into))
	}
}

func (r *attributeReader) record(name string, err error) {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("describe queue: %s: %w", name, err)
	}
}
