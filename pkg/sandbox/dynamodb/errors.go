package dynamodb

import (
	"errors"
	"net/http"

	"github.com/billable-events/billable/pkg/sandbox/awsjson"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// The namespaces of error shapes: the service's own, and the framework's below it.
const (
	shapes    = "com.amazonaws.dynamodb.v20120810#"
	framework = "com.amazon.coral.service#"
	validator = "com.amazon.coral.validate#"
)

// errConditionFailed is a condition that does not hold. The operation converts it to the
// service's error.
var errConditionFailed = errors.New("the conditional request failed")

const conditionFailedMessage = "The conditional request failed"

func failure(name, message string) *awsjson.Error {
	return &awsjson.Error{Type: shapes + name, Message: message}
}

func resourceNotFound() error {
	return failure("ResourceNotFoundException", "Requested resource not found")
}

// conditionalCheckFailed has the old item if the caller asked for it.
func conditionalCheckFailed(item attribute.Item) error {
	failed := failure("ConditionalCheckFailedException", conditionFailedMessage)
	if len(item) > 0 {
		failed.Fields = map[string]any{"Item": item}
	}
	return failed
}

const (
	conflictMessage  = "Transaction is ongoing for the item"
	internalMessage  = "The request processing has failed because of an unknown error, exception or failure."
	throttledMessage = "Throughput exceeds the current capacity of your table or index. " +
		"DynamoDB is automatically scaling your table or index so please try again shortly. If exceptions persist, check if you have a hot key: " +
		"https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html"
)

func throughputExceeded() *awsjson.Error {
	return failure("ProvisionedThroughputExceededException", "The level of configured provisioned throughput for the table was exceeded. "+
		"Consider increasing your provisioning level with the UpdateTable API.")
}

func throttled() *awsjson.Error { return failure("ThrottlingException", throttledMessage) }

// failures are the responses to calls that the service fails: its own error, that of the
// framework below it, and that of a load balancer, which has no error code.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/CommonErrors.html
var failures = []*awsjson.Error{
	{Status: http.StatusInternalServerError, Type: shapes + "InternalServerError", Message: internalMessage},
	{Status: http.StatusInternalServerError, Type: framework + "InternalFailure", Message: internalMessage},
	{Status: http.StatusServiceUnavailable, Message: "Service Unavailable"},
}

// typedError converts a mistake of the caller to the service's error.
func typedError(err error) error {
	if invalid, ok := errors.AsType[*attribute.ValidationError](err); ok {
		return &awsjson.Error{Type: validator + "ValidationException", Message: invalid.Message}
	}
	if hot, ok := errors.AsType[*hotPartition](err); ok {
		return hot.typed()
	}
	return err
}

// decodingError converts an error of encoding/json, or of a type that decodes itself.
func decodingError(err error) error {
	if _, ok := errors.AsType[*attribute.ValidationError](err); ok {
		return typedError(err)
	}
	return &awsjson.Error{Type: framework + "SerializationException", Message: err.Error()}
}
