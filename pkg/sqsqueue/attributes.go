package sqsqueue

import (
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/billable-events/billable/pkg/queue"
)

// maxAttributes is how many attributes a message may have.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
const maxAttributes = 10

// stringType is the data type of all attributes that this system sets.
const stringType = "String"

// attributeOf reads an attribute that is no string.
func attributeOf(kind string, value types.MessageAttributeValue) queue.Attribute {
	if attribute := (queue.Attribute{Type: kind, Value: value.BinaryValue}); attribute.Binary() {
		return attribute
	}
	return queue.Attribute{Type: kind, Value: []byte(aws.ToString(value.StringValue))}
}

// valueOf writes an attribute as the SDK has it.
func valueOf(attribute queue.Attribute) types.MessageAttributeValue {
	if attribute.Binary() {
		return types.MessageAttributeValue{DataType: &attribute.Type, BinaryValue: attribute.Value}
	}
	return types.MessageAttributeValue{DataType: &attribute.Type, StringValue: aws.String(string(attribute.Value))}
}

// attributeSize is what an attribute counts towards the size of a message.
func attributeSize(name string, attribute queue.Attribute) int {
	return len(name) + len(attribute.Type) + len(attribute.Value)
}

// inWorth are this system's own attributes, but the detail, in the order of their
// worth. The count is what tells a letter that was replayed and failed again from its
// own copy.
var inWorth = []string{
	queue.AttributeReason, queue.AttributeFailedAt, queue.AttributeReplayCount, queue.AttributeEventID, queue.AttributeInvoiceID,
	queue.AttributeReceivedAt, queue.AttributeTraceParent,
}

// fit leaves a message those attributes of worth that it has places and room for, and
// returns the bytes that are left. Where there is no place for all, event_type is the
// first to give way, because the body says it; then come those of others, from the end
// of the alphabet.
func fit(message *queue.Message, places int) (room int) {
	room = maxBatchBytes - len(message.Body) - len(groupID(message.GroupID))
	all := maps.Clone(message.OtherAttributes)
	for name, value := range message.Attributes { // what is set is not kept as another type too
		if value != "" {
			all = with(all, name, queue.Attribute{Type: stringType, Value: []byte(value)})
		}
	}
	message.Attributes, message.OtherAttributes = map[string]string{}, nil
	for _, name := range slices.Concat(inWorth, foreign(all), []string{queue.AttributeEventType}) {
		attribute, ok := all[name]
		size := attributeSize(name, attribute)
		switch {
		case !ok || places == 0 || size > room:
			continue
		case attribute.Type == stringType:
			message.Attributes[name] = string(attribute.Value)
		default:
			message.OtherAttributes = with(message.OtherAttributes, name, attribute)
		}
		places--
		room -= size
	}
	return room
}

// foreign are the names that are not this system's own, in alphabetical order.
func foreign(all map[string]queue.Attribute) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(all)), func(name string) bool {
		return name == queue.AttributeEventType || slices.Contains(inWorth, name)
	})
}

// with puts an attribute into a map, which may be nil.
func with(attributes map[string]queue.Attribute, name string, attribute queue.Attribute) map[string]queue.Attribute {
	if attributes == nil {
		attributes = map[string]queue.Attribute{}
	}
	attributes[name] = attribute
	return attributes
}

// own returns the message with attributes of its own, which lack the given names.
func own(message queue.Message, without ...string) queue.Message {
	message.Attributes, message.OtherAttributes = maps.Clone(message.Attributes), maps.Clone(message.OtherAttributes)
	if message.Attributes == nil {
		message.Attributes = map[string]string{}
	}
	for _, name := range without {
		delete(message.Attributes, name)
		delete(message.OtherAttributes, name)
	}
	return message
}
