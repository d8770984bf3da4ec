package sqs

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/awsjson"
)

var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// queueReference is an input or output with only a queue URL.
type queueReference struct {
	QueueURL string `json:"QueueUrl"`
}

type createQueueInput struct {
	QueueName string `json:"QueueName"`
	queueAttributes
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
func (s *Service) createQueue(input createQueueInput, _ awsjson.Call) (any, error) {
	name := input.QueueName
	if !queueName.MatchString(name) {
		return nil, invalidParameterValue.errorf("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	err := s.locked(func(now time.Time) error {
		if existing, ok := s.queues[name]; ok {
			return existing.checkAttributes(input.Attributes)
		}
		settings, err := defaultSettings.with(input.Attributes)
		if err != nil {
			return err
		}
		if err := s.checkRedrive(name, settings.redrive); err != nil {
			return err
		}
		q := newQueue(name, s.random.Uint64())
		q.settings, q.createdAt, q.modifiedAt = settings, now, now
		s.queues[name] = q
		return nil
	})
	return queueReference{QueueURL: s.url(name)}, err
}

// checkAttributes refuses to create a queue again with other attributes.
func (q *queue) checkAttributes(given map[string]string) error {
	changed, err := q.settings.with(given)
	if err != nil {
		return err
	}
	if !maps.Equal(changed.attributes(), q.settings.attributes()) {
		return queueNameExists.errorf("A queue already exists with the same name and a different value for an attribute.")
	}
	return nil
}

func (s *Service) getQueueURL(input createQueueInput, _ awsjson.Call) (any, error) {
	url := s.url(input.QueueName)
	return queueReference{QueueURL: url}, s.onQueue(url, func(*queue, time.Time) error { return nil })
}

type listQueuesInput struct {
	Prefix string `json:"QueueNamePrefix"`
}

// listQueues lists all queues with a prefix in one answer.
func (s *Service) listQueues(input listQueuesInput, _ awsjson.Call) (any, error) {
	var output struct {
		QueueURLs []string `json:"QueueUrls,omitempty"`
	}
	err := s.locked(func(time.Time) error {
		for _, name := range slices.Sorted(maps.Keys(s.queues)) {
			if strings.HasPrefix(name, input.Prefix) {
				output.QueueURLs = append(output.QueueURLs, s.url(name))
			}
		}
		return nil
	})
	return output, err
}

// deleteQueue takes effect at once; polls that wait on the queue end.
func (s *Service) deleteQueue(input queueReference, _ awsjson.Call) (any, error) {
	return nil, s.onQueue(input.QueueURL, func(q *queue, _ time.Time) error {
		delete(s.queues, q.name)
		q.clear()
		for front := q.waiting.Front(); front != nil; front = q.waiting.Front() {
			front.Value.(*poll).end(nil, queueDoesNotExist.errorf("The specified queue does not exist."))
		}
		return nil
	})
}

// purgeQueue takes effect at once. At AWS it may take up to 60 seconds.
func (s *Service) purgeQueue(input queueReference, _ awsjson.Call) (any, error) {
	return nil, s.onQueue(input.QueueURL, func(q *queue, _ time.Time) error {
		q.clear()
		return nil
	})
}

// queueAttributeNames can be asked for; those that a queue does not have are
// left out of the answer.
var queueAttributeNames = []string{
	"All", "Policy", "VisibilityTimeout", "MaximumMessageSize", "MessageRetentionPeriod",
	"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed",
	"CreatedTimestamp", "LastModifiedTimestamp", "QueueArn", "DelaySeconds", "ReceiveMessageWaitTimeSeconds",
	"RedrivePolicy", "RedriveAllowPolicy", "FifoQueue", "ContentBasedDeduplication", "DeduplicationScope",
	"FifoThroughputLimit", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled",
}

type queueAttributes struct {
	Attributes map[string]string `json:"Attributes,omitempty"`
}

type getQueueAttributesInput struct {
	queueReference
	AttributeNames []string `json:"AttributeNames"`
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
func (s *Service) getQueueAttributes(input getQueueAttributesInput, _ awsjson.Call) (any, error) {
	for _, name := range input.AttributeNames {
		if !slices.Contains(queueAttributeNames, name) {
			return nil, invalidAttributeName.errorf("Unknown Attribute %s.", name)
		}
	}
	var output queueAttributes
	err := s.onQueue(input.QueueURL, func(q *queue, _ time.Time) error {
		output.Attributes = s.attributesOf(q)
		return nil
	})
	if !slices.Contains(input.AttributeNames, "All") {
		maps.DeleteFunc(output.Attributes, func(name, _ string) bool {
			return !slices.Contains(input.AttributeNames, name)
		})
	}
	return output, err
}

func (s *Service) attributesOf(q *queue) map[string]string {
	all := q.settings.attributes()
	all["QueueArn"] = arn(q.name)
	all["CreatedTimestamp"] = strconv.FormatInt(q.createdAt.Unix(), 10)
	all["LastModifiedTimestamp"] = strconv.FormatInt(q.modifiedAt.Unix(), 10)
	all["ApproximateNumberOfMessages"] = strconv.Itoa(q.visible.Len())
	all["ApproximateNumberOfMessagesNotVisible"] = strconv.Itoa(q.inFlight)
	all["ApproximateNumberOfMessagesDelayed"] = strconv.Itoa(q.delayed)
	return all
}

type setQueueAttributesInput struct {
	queueReference
	queueAttributes
}

// setQueueAttributes sets all of the given attributes or, when one is invalid,
// none. Those that are not given keep their values.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
func (s *Service) setQueueAttributes(input setQueueAttributesInput, _ awsjson.Call) (any, error) {
	return nil, s.onQueue(input.QueueURL, func(q *queue, now time.Time) error {
		changed, err := q.settings.with(input.Attributes)
		if err != nil {
			return err
		}
		if _, ok := input.Attributes["RedrivePolicy"]; ok {
			if err := s.checkRedrive(q.name, changed.redrive); err != nil {
				return err
			}
		}
		q.settings, q.modifiedAt = changed, now
		return nil
	})
}
