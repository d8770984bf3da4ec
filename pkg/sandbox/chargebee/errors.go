package chargebee

import (
	"fmt"
	"net/http"
	"time"
)

// Error is a refusal as Chargebee words it, or as the gateway before it does.
//
// https://apidocs.chargebee.com/docs/api/error-handling
type Error struct {
	Status     int           // HTTP status; 0: the connection is cut instead
	Type       string        // invalid_request, operation_failed, payment, untyped
	Code       string        // api_error_code, e.g. param_wrong_value; "" on a Page
	Message    string        // for developers
	Param      string        // the parameter at fault, e.g. line_item[date_to]
	RetryAfter time.Duration // sent as Retry-After when above 0
	Page       bool          // HTML instead of JSON
}

func (e *Error) Error() string {
	switch {
	case e.Status == 0:
		return "chargebee: the connection is cut"
	case e.Page:
		return fmt.Sprintf("chargebee: %d as HTML", e.Status)
	default:
		return fmt.Sprintf("chargebee: %d %s: %s", e.Status, e.Code, e.Message)
	}
}

// After is the same refusal with a Retry-After.
func (e *Error) After(wait time.Duration) *Error {
	copied := *e
	copied.RetryAfter = wait
	return &copied
}

// Page is an HTML page with a status: from 500 on what a gateway answers in the
// place of Chargebee, at 200 what something else on the way does.
func Page(status int) *Error { return &Error{Status: status, Page: true} }

const (
	invalidRequest  = "invalid_request"
	operationFailed = "operation_failed"
	payment         = "payment"
	untyped         = "untyped"
)

func rateLimited(retryAfter time.Duration) *Error { return ErrRateLimited.After(retryAfter) }

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

func incompatible(message, param string) *Error {
	return &Error{
		Status: http.StatusBadRequest, Type: untyped, Code: "configuration_incompatible", Message: message, Param: param,
	}
}
