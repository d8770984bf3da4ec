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

// ErrNoQueue says that there is no queue at the URL.
var ErrNoQueue = errors.New("sqs: there is no such queue")

// Attributes is how a queue is set up, as far as this system depends on it.
type Attributes struct {
	ARN             string
	FIFO            bool
	Retention       time.Duration
	Delay           time.Duration // of every message
	Visibility      time.Duration // where a receive names none
	MaxMessageBytes int
	Encrypted       bool
	KMSKey          string // empty: SQS's own

	RedriveTarget string // ARN; empty: messages are never moved
	MaxReceives   int    // a message received more often is moved
	AllowsSources string // who may move messages here: allowAll, denyAll, byQueue; empty: all
	Sources       string // ARNs that byQueue allows, with spaces between

	Visible  int // messages, by SQS's count, which may be a minute late
	InFlight int // received, and neither deleted nor given back
	Delayed  int
}

// Describe reads how the queue with the given URL is set up. Errors: ErrNoQueue,
// ErrUnavailable; Denied knows those of who may not ask.
func Describe(ctx context.Context, client AttributesAPI, url string) (Attributes, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
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
		return Attributes{}, fmt.Errorf("describe the queue: %w", failureOf(err))
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
		MaxReceives json.Number `json:"maxReceiveCount"` // both 3 and "3" are in use
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

// attributeReader reads the texts that SQS's attributes are.
type attributeReader struct {
	given map[string]string
	err   error // the first
}

func (r *attributeReader) integer(name string) int { return r.number(name, r.given[name]) }

func (r *attributeReader) seconds(name string) time.Duration {
	return time.Duration(r.integer(name)) * time.Second
}

func (r *attributeReader) number(name, value string) int {
	number, err := strconv.Atoi(value)
	r.note(name, err)
	return number
}

func (r *attributeReader) policy(name string, into any) {
	if value := r.given[name]; value != "" {
		r.note(name, json.Unmarshal([]byte(value), into))
	}
}

func (r *attributeReader) note(name string, err error) {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("describe the queue: %s: %w", name, err)
	}
}
