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
	// ErrRefused means that SQS rejects the entry, and would reject it again (ClassRefused).
	ErrRefused = errors.New("sqs: entry refused")
	// ErrUnavailable means that the call failed with another class, or that its context ended first. It may
	// have taken effect.
	ErrUnavailable = errors.New("sqs: unavailable")
	// ErrClosed means that the sender is closed.
	ErrClosed = errors.New("sqs: closed")
)

// The error classes: a closed set, for metrics.
const (
	ClassRefused     = "refused"     // client error about one entry
	ClassDenied      = "denied"      // client error about the queue or the caller: permissions, URL, keys
	ClassThrottled   = "throttled"   // too many requests
	ClassTimeout     = "timeout"     // no response in time
	ClassUnavailable = "unavailable" // any other error
)

// Classes returns all error classes.
func Classes() []string {
	return []string{ClassRefused, ClassDenied, ClassThrottled, ClassTimeout, ClassUnavailable}
}

// failure is an error with its class.
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

// isRetryable reports whether the same request can succeed without a change by an operator.
func (f *failure) isRetryable() bool { return f.class != ClassRefused && f.class != ClassDenied }

// failureOf classifies the error of a call.
func failureOf(err error) *failure {
	if classified, ok := errors.AsType[*failure](err); ok {
		return classified
	}
	status := statusOf(err)
	isClientError := 400 <= status && status <= 499
	canBeAboutEntry := status == http.StatusBadRequest || status == http.StatusRequestEntityTooLarge
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{ClassTimeout, err}
	case isThrottled(err) || status == http.StatusTooManyRequests:
		return &failure{ClassThrottled, err}
	case !isClientError || expiredCodes[codeOf(err)]:
		return &failure{ClassUnavailable, err}
	case !canBeAboutEntry || isQueueError(err):
		return &failure{ClassDenied, err}
	default:
		return &failure{ClassRefused, err}
	}
}

// failureOfEntry classifies the error of one entry of a batch.
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

// statusOf returns the HTTP status of the response, 0 if there was none.
func statusOf(err error) int {
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return response.HTTPStatusCode()
	}
	return 0
}

func isThrottled(err error) bool {
	return as[*types.KmsThrottled](err) || retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}.IsErrorThrottle(err) == aws.TrueTernary
}

// isQueueError reports whether a client error is about the queue or the caller, not about an entry: all
// other calls would fail, too.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
func isQueueError(err error) bool {
	switch {
	case as[*types.QueueDoesNotExist](err), as[*types.InvalidAddress](err), as[*types.InvalidSecurity](err),
		as[*types.KmsAccessDenied](err), as[*types.KmsDisabled](err), as[*types.KmsInvalidKeyUsage](err),
		as[*types.KmsInvalidState](err), as[*types.KmsNotFound](err), as[*types.KmsOptInRequired](err):
		return true
	}
	return accessCodes[codeOf(err)]
}

// codeOf returns the error code of the response, "" if there was none.
func codeOf(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// expiredCodes are the error codes for expired credentials. The SDK renews these, so a retry can succeed.
var expiredCodes = map[string]bool{"ExpiredToken": true, "ExpiredTokenException": true}

// accessCodes are the error codes about permissions and credentials for which the SDK has no type.
var accessCodes = map[string]bool{
	"AccessDenied":                true,
	"AccessDeniedException":       true,
	"IncompleteSignature":         true,
	"InvalidClientTokenId":        true,
	"InvalidSignatureException":   true,
	"MissingAuthenticationToken":  true,
	"NotAuthorized":               true,
	"OptInRequired":               true,
	"SignatureDoesNotMatch":       true,
	"UnrecognizedClientException": true,
}

// as reports whether err is or wraps an E.
func as[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
