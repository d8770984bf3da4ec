package chargebee

import (
	"fmt"
	"net/http"
	"time"
)

// Error is a refusal as Chargebee words it.
//
// https://apidocs.chargebee.com/docs/api/error-handling
type Error struct {
	Status     int           // HTTP status
	Type       string        // invalid_request, operation_failed, untyped
	Code       string        // api_error_code, e.g. param_wrong_value
	Message    string        // for developers
	Param      string        // the parameter at fault, e.g. line_item[date_to]
	RetryAfter time.Duration // sent as Retry-After when above 0
}

func (e *Error) Error() string {
	return fmt.Sprintf("chargebee: %d %s: %s", e.Status, e.Code, e.Message)
}

const (
	invalidRequest  = "invalid_request"
	operationFailed = "operation_failed"
	untyped         = "untyped"

	codeRateLimited = "api_request_limit_exceeded"
)

var (
	errUnauthenticated = &Error{
		Status: http.StatusUnauthorized, Type: untyped, Code: "api_authentication_failed",
		Message: "Sorry, authentication failed. Invalid api key",
	}
	errUnknownURL = &Error{
		Status: http.StatusNotFound, Type: invalidRequest, Code: "resource_not_found",
		Message: "Sorry, we couldn't find that resource",
	}
	errMethod = &Error{
		Status: http.StatusMethodNotAllowed, Type: invalidRequest, Code: "http_method_not_supported",
		Message: "The HTTP method is not supported for this URL",
	}
	errNoForm = &Error{
		Status: http.StatusBadRequest, Type: invalidRequest, Code: "invalid_request",
		Message: "The request body must be application/x-www-form-urlencoded",
	}
	errKeyReused = &Error{
		Status: http.StatusUnprocessableEntity, Type: invalidRequest, Code: "unable_to_process_request",
		Message: "The idempotency key has already been used with another request",
	}
	errLockTimeout = &Error{
		Status: http.StatusTooManyRequests, Type: operationFailed, Code: "lock_timeout",
		Message: "Sorry, the resource is being changed by another request. Please try after some time",
	}
	errInternal = &Error{
		Status: http.StatusInternalServerError, Type: operationFailed, Code: "internal_error",
		Message: "Sorry, something went wrong when trying to process the request",
	}
	errTemporary = &Error{
		Status: http.StatusServiceUnavailable, Type: operationFailed, Code: "internal_temporary_error",
		Message: "Sorry, the server is currently unable to handle the request. Please try after some time",
	}
)

func rateLimited(retryAfter time.Duration) *Error {
	return &Error{
		Status: http.StatusTooManyRequests, Type: operationFailed, Code: codeRateLimited,
		Message: "Sorry, access has been blocked temporarily due to request count exceeding acceptable limits. " +
			"Please try after some time",
		RetryAfter: retryAfter,
	}
}

func wrongValue(param, problem string) *Error {
	return &Error{
		Status: http.StatusBadRequest, Type: invalidRequest, Code: "param_wrong_value",
		Message: param + " : " + problem, Param: param,
	}
}

func notFound(id, param string) *Error {
	return &Error{
		Status: http.StatusNotFound, Type: invalidRequest, Code: "resource_not_found",
		Message: id + " not found", Param: param,
	}
}

func wrongState(message string) *Error {
	return &Error{
		Status: http.StatusConflict, Type: invalidRequest, Code: "invalid_state_for_request", Message: message,
	}
}
