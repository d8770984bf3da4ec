package sqsqueue

import (
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/billable-events/billable/pkg/queue"
)

// maxAttributes is the maximum number of attributes of a message.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
const maxAttributes = 10

// stringType is the data type of all attributes that Billable sets.
const stringType = "String"

// attributeOf converts an SQS attribute whose type is not String.
func attributeOf(kind string, value types.MessageAttributeValue) queue.Attribute {
	attribute := queue.Attribute{Type: kind}
	if attribute.Binary() {
		attribute.Value = value.BinaryValue
	} else {
		attribute.Value = []byte(aws.ToString(value.StringValue))
	}
	return attribute
}

// valueOf is the inverse of attributeOf.
func valueOf(attribute queue.Attribute) types.MessageAttributeValue {
	if attribute.Binary() {
		return types.MessageAttributeValue{DataType: &attribute.Type, BinaryValue: attribute.Value}
	}
	return types.MessageAttributeValue{DataType: &attribute.Type, StringValue: aws.String(string(attribute.Value))}
}

// attributeSize returns how much an attribute adds to the size of a message.
func attributeSize(name string, attribute queue.Attribute) int {
	return len(name) + len(attribute.Type) + len(attribute.Value)
}

// attributePriority lists attributes that Billable sets, most important first. fit keeps event_type last,
// and newDeadLetter adds detail after fit. replay_count is high in the list: without it, pkg/deadletter
// would replay a message that has failed again after a replay a second time in the same run.
var attributePriority = []string{
	queue.AttributeReason, queue.AttributeFailedAt, queue.AttributeReplayCount, queue.AttributeEventID, queue.AttributeInvoiceID,
	queue.AttributeReceivedAt, queue.AttributeTraceParent,
}

// fit removes attributes, so that the message has at most maxCount of them and at most maxBatchBytes bytes.
// It returns the bytes that are left. It considers the attributes in this order and keeps each that fits:
//
//	attributePriority  the attributes that Billable sets
//	otherNames         the attributes of other producers, by name
//	event_type         the body has it too
//
// Empty attributes of the type String are removed, because SQS refuses them.
func fit(message *queue.Message, maxCount int) (bytesLeft int) {
	bytesLeft = maxBatchBytes - len(message.Body) - len(groupID(message.GroupID))
	all := maps.Clone(message.OtherAttributes)
	for name, value := range message.Attributes {
		if value != "" {
			all = setAttribute(all, name, queue.Attribute{Type: stringType, Value: []byte(value)})
		}
	}
	message.Attributes, message.OtherAttributes = map[string]string{}, nil
	for _, name := range slices.Concat(attributePriority, otherNames(all), []string{queue.AttributeEventType}) {
		attribute, ok := all[name]
		size := attributeSize(name, attribute)
		switch {
		case !ok || maxCount == 0 || size > bytesLeft:
			continue
		case attribute.Type == stringType:
			message.Attributes[name] = string(attribute.Value)
		default:
			message.OtherAttributes = setAttribute(message.OtherAttributes, name, attribute)
		}
		maxCount--
		bytesLeft -= size
	}
	return bytesLeft
}

// otherNames returns the sorted names that are neither in attributePriority nor event_type.
func otherNames(all map[string]queue.Attribute) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(all)), func(name string) bool {
		return name == queue.AttributeEventType || slices.Contains(attributePriority, name)
	})
}

// setAttribute sets an attribute in a map, which may be nil.
func setAttribute(attributes map[string]queue.Attribute, name string, attribute queue.Attribute) map[string]queue.Attribute {
	if attributes == nil {
		attributes = map[string]queue.Attribute{}
	}
	attributes[name] = attribute
	return attributes
}

// cloneWithout returns the message with a copy of its attributes without the given names. Its Attributes
// are never nil.
func cloneWithout(message queue.Message, names ...string) queue.Message {
	message.Attributes, message.OtherAttributes = maps.Clone(message.Attributes), maps.Clone(message.OtherAttributes)
	if message.Attributes == nil {
		message.Attributes = map[string]string{}
	}
	for _, name := range names {
		delete(message.Attributes, name)
		delete(message.OtherAttributes, name)
	}
	return message
}
