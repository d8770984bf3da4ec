package sqs

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/awsjson"
)

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

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
func (s *Service) getQueueAttributes(call awsjson.Call) (any, error) {
	input, err := decode[struct {
		QueueURL       string   `json:"QueueUrl"`
		AttributeNames []string `json:"AttributeNames"`
	}](call)
	if err != nil {
		return nil, err
	}
	for _, name := range input.AttributeNames {
		if !slices.Contains(queueAttributeNames, name) {
			return nil, invalidAttributeName.errorf("Unknown Attribute %s.", name)
		}
	}
	var output queueAttributes
	err = s.onQueue(input.QueueURL, func(q *queue, _ time.Time) error {
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
	all["QueueArn"] = s.arn(q.name)
	all["CreatedTimestamp"] = strconv.FormatInt(q.createdAt.Unix(), 10)
	all["LastModifiedTimestamp"] = strconv.FormatInt(q.modifiedAt.Unix(), 10)
	all["ApproximateNumberOfMessages"] = strconv.Itoa(q.visible.Len())
	all["ApproximateNumberOfMessagesNotVisible"] = strconv.Itoa(q.inFlight)
	all["ApproximateNumberOfMessagesDelayed"] = strconv.Itoa(q.delayed)
	return all
}

// setQueueAttributes sets all of the given attributes or, when one is invalid,
// none. Those that are not given keep their values.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
func (s *Service) setQueueAttributes(call awsjson.Call) (any, error) {
	input, err := decode[struct {
		QueueURL string `json:"QueueUrl"`
		queueAttributes
	}](call)
	if err != nil {
		return nil, err
	}
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
