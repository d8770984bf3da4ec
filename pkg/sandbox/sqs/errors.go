package sqs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/billable-events/billable/pkg/sandbox/awsjson"
)

// kind is an error of the service.
type kind struct {
	status int
	shape  string // its type in the JSON protocol
	code   string // its code in the older query protocol, sent along for compatibility
	fault  string // Sender or Receiver
}

// The errors of the service's model, with the statuses and codes it gives.
var (
	batchEntryIDsNotDistinct = sender(400, "BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct")
	batchRequestTooLong      = sender(400, "BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong")
	emptyBatchRequest        = sender(400, "EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest")
	invalidAddress           = sender(404, "InvalidAddress", "InvalidAddress")
	invalidAttributeName     = sender(400, "InvalidAttributeName", "InvalidAttributeName")
	invalidAttributeValue    = sender(400, "InvalidAttributeValue", "InvalidAttributeValue")
	invalidBatchEntryID      = sender(400, "InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId")
	invalidMessageContents   = sender(400, "InvalidMessageContents", "InvalidMessageContents")
	messageNotInflight       = sender(400, "MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight")
	overLimit                = sender(403, "OverLimit", "OverLimit")
	queueDoesNotExist        = sender(400, "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue")
	queueNameExists          = sender(400, "QueueNameExists", "QueueAlreadyExists")
	receiptHandleIsInvalid   = sender(404, "ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid")
	requestThrottled         = sender(403, "RequestThrottled", "RequestThrottled")
	resourceNotFound         = sender(404, "ResourceNotFoundException", "ResourceNotFoundException")
	tooManyEntries           = sender(400, "TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest")
)

// The errors of the framework below the service, which no model lists.
var (
	accessDenied           = kind{403, "com.amazon.coral.service#AccessDeniedException", "AccessDenied", "Sender"}
	invalidParameterValue  = kind{400, "com.amazon.coral.service#InvalidParameterValueException", "InvalidParameterValue", "Sender"}
	missingParameter       = kind{400, "com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter", "Sender"}
	serializationException = kind{400, "com.amazon.coral.service#SerializationException", "MalformedInput", "Sender"}
	unknownOperation       = kind{400, "com.amazon.coral.service#UnknownOperationException", "InvalidAction", "Sender"}
	internalFailure        = kind{500, "com.amazon.coral.service#InternalFailure", "InternalFailure", "Receiver"}
)

func sender(status int, shape, code string) kind {
	return kind{status: status, shape: "com.amazonaws.sqs#" + shape, code: code, fault: "Sender"}
}

func (k kind) errorf(format string, arguments ...any) *awsjson.Error {
	return &awsjson.Error{
		Status:    k.status,
		Type:      k.shape,
		Message:   fmt.Sprintf(format, arguments...),
		QueryCode: k.code + ";" + k.fault,
	}
}

// batchFailure is an entry of a batch that failed.
type batchFailure struct {
	ID          string `json:"Id"`
	Code        string `json:"Code"`
	Message     string `json:"Message,omitempty"`
	SenderFault bool   `json:"SenderFault"`
}

// failed returns the failure of one entry of a batch.
func failed(id string, err error) batchFailure {
	var typed *awsjson.Error
	if !errors.As(err, &typed) {
		typed = internalFailure.errorf("%s", err)
	}
	code, fault, _ := strings.Cut(typed.QueryCode, ";")
	return batchFailure{ID: id, Code: code, Message: typed.Message, SenderFault: fault == "Sender"}
}
