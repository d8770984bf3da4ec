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

func resourceNotFound(message string) error {
	return &awsjson.Error{Type: shapes + "ResourceNotFoundException", Message: message}
}

func tableNotFound(name string) error {
	return resourceNotFound("Requested resource not found: Table: " + name + " not found")
}

func resourceInUse(message string) error {
	return &awsjson.Error{Type: shapes + "ResourceInUseException", Message: message}
}

func limitExceeded(message string) error {
	return &awsjson.Error{Type: shapes + "LimitExceededException", Message: message}
}

// conditionalCheckFailed carries the old item if the caller asked for it.
func conditionalCheckFailed(item attribute.Item) error {
	e := &awsjson.Error{Type: shapes + "ConditionalCheckFailedException", Message: conditionFailedMessage}
	if len(item) > 0 {
		e.Fields = map[string]any{"Item": item}
	}
	return e
}

func idempotentParameterMismatch() error {
	return &awsjson.Error{
		Type:    shapes + "IdempotentParameterMismatchException",
		Message: "Request uses the same client token as a previous, but non-identical request",
	}
}

const (
	throughputExceededMessage = "The level of configured provisioned throughput for the table was exceeded. " +
		"Consider increasing your provisioning level with the UpdateTable API."
	throttledMessage = "Throughput exceeds the current capacity of your table or index. " +
		"DynamoDB is automatically scaling your table or index so please try again shortly. If exceptions persist, check if you have a hot key: " +
		"https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html"
	conflictMessage = "Transaction is ongoing for the item"
)

func throughputExceeded() *awsjson.Error {
	return &awsjson.Error{Type: shapes + "ProvisionedThroughputExceededException", Message: throughputExceededMessage}
}

func throttled() *awsjson.Error {
	return &awsjson.Error{Type: shapes + "ThrottlingException", Message: throttledMessage}
}

func transactionConflict() error {
	return &awsjson.Error{Type: shapes + "TransactionConflictException", Message: conflictMessage}
}

func transactionInProgress() error {
	return &awsjson.Error{
		Type:    shapes + "TransactionInProgressException",
		Message: "The transaction with the given request token is already in progress.",
	}
}

func internalServerError() *awsjson.Error {
	return &awsjson.Error{
		Status:  http.StatusInternalServerError,
		Type:    shapes + "InternalServerError",
		Message: "The request processing has failed because of an unknown error, exception or failure.",
	}
}

// internalFailure returns the error of the framework below the service.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/CommonErrors.html
func internalFailure() *awsjson.Error {
	return &awsjson.Error{
		Status:  http.StatusInternalServerError,
		Type:    framework + "InternalFailure",
		Message: "The request processing has failed because of an unknown error, exception or failure.",
	}
}

// unavailable returns the answer of a load balancer in front of the service: no error code.
func unavailable() *awsjson.Error {
	return &awsjson.Error{Status: http.StatusServiceUnavailable, Message: "Service Unavailable"}
}

func unknownOperation() *awsjson.Error {
	return &awsjson.Error{Type: framework + "UnknownOperationException", Message: "The requested operation is not supported here."}
}

func validation(message string) error {
	return &awsjson.Error{Type: validator + "ValidationException", Message: message}
}

// typedError converts a mistake of the caller to the service's error.
func typedError(err error) error {
	if invalid, ok := errors.AsType[*attribute.ValidationError](err); ok {
		return validation(invalid.Message)
	}
	if hot, ok := errors.AsType[*hotPartition](err); ok {
		return hot.typed()
	}
	return err
}

func decodingError(err error) error {
	if invalid, ok := errors.AsType[*attribute.ValidationError](err); ok {
		return validation(invalid.Message)
	}
	return &awsjson.Error{Type: framework + "SerializationException", Message: err.Error()}
}
