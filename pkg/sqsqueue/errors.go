package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

var (
	// ErrRefused says that SQS does not take the entry as it is: sending it again
	// does not help.
	ErrRefused = errors.New("sqs: the entry was refused")
	// ErrUnavailable says that SQS could not be asked, or did not do what it was
	// asked for, in the time there was. It may have been done all the same.
	ErrUnavailable = errors.New("sqs: not available")
	// ErrClosed says that no further entries are taken.
	ErrClosed = errors.New("sqs: closed")
)

// The classes of failures: a closed set, for metrics.
const (
	ClassRefused     = "refused"     // the sender's fault, for this entry
	ClassDenied      = "denied"      // the sender's fault, for the queue as a whole: access, address, keys
	ClassThrottled   = "throttled"   // too many requests
	ClassTimeout     = "timeout"     // no answer in time
	ClassUnavailable = "unavailable" // anything else
)

// Classes returns all classes of failures.
func Classes() []string {
	return []string{ClassRefused, ClassDenied, ClassThrottled, ClassTimeout, ClassUnavailable}
}

// failure is an error of SQS with its class.
type failure struct {
	class string
	err   error
}

func (f *failure) Error() string { return f.class + ": " + f.err.Error() }

func (f *failure) Unwrap() []error {
	if f.class == ClassRefused {
		return []error{ErrRefused, f.err}
	}
	return []error{ErrUnavailable, f.err}
}

// passes tells whether the same request may succeed a moment later.
func (f *failure) passes() bool { return f.class != ClassRefused && f.class != ClassDenied }

// failureOf classifies an error. What is not known to be the sender's fault passes.
func failureOf(err error) *failure {
	if classified, ok := errors.AsType[*failure](err); ok {
		return classified
	}
	switch status := statusOf(err); {
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{ClassTimeout, err}
	case throttled(err) || status == http.StatusTooManyRequests:
		return &failure{ClassThrottled, err}
	case status < 400 || status >= 500:
		return &failure{ClassUnavailable, err}
	case status != http.StatusBadRequest && status != http.StatusRequestEntityTooLarge, queueWide(err):
		return &failure{ClassDenied, err}
	default:
		return &failure{ClassRefused, err}
	}
}

// failureOfEntry classifies what failed one entry of a batch.
func failureOfEntry(entry types.BatchResultErrorEntry) *failure {
	code := aws.ToString(entry.Code)
	err := fmt.Errorf("%s: %.200s", code, aws.ToString(entry.Message))
	_, throttled := retry.DefaultThrottleErrorCodes[code]
	switch {
	case entry.SenderFault:
		return &failure{ClassRefused, err}
	case throttled:
		return &failure{ClassThrottled, err}
	default:
		return &failure{ClassUnavailable, err}
	}
}

// statusOf is the status of the answer, 0 when there was none.
func statusOf(err error) int {
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return response.HTTPStatusCode()
	}
	return 0
}

func throttled(err error) bool {
	return as[*types.KmsThrottled](err) || retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}.IsErrorThrottle(err) == aws.TrueTernary
}

// queueWide tells whether a 400 is about no entry, but about the queue or the right
// to use it: then smaller batches fare no better.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
func queueWide(err error) bool {
	switch {
	case as[*types.QueueDoesNotExist](err), as[*types.InvalidAddress](err), as[*types.InvalidSecurity](err),
		as[*types.KmsAccessDenied](err), as[*types.KmsDisabled](err), as[*types.KmsInvalidKeyUsage](err),
		as[*types.KmsInvalidState](err), as[*types.KmsNotFound](err), as[*types.KmsOptInRequired](err):
		return true
	}
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && accessCodes[api.ErrorCode()]
}

// accessCodes are errors without a type in the SDK.
var accessCodes = map[string]bool{
	"AccessDenied":                true,
	"AccessDeniedException":       true,
	"ExpiredToken":                true,
	"ExpiredTokenException":       true,
	"IncompleteSignature":         true,
	"InvalidClientTokenId":        true,
	"InvalidSignatureException":   true,
	"MissingAuthenticationToken":  true,
	"NotAuthorized":               true,
	"OptInRequired":               true,
	"SignatureDoesNotMatch":       true,
	"UnrecognizedClientException": true,
}

func as[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
