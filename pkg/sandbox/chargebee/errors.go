package chargebee

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Error is an error response of Chargebee, or of a gateway in front of it.
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

// After returns the same refusal with a Retry-After.
func (e *Error) After(wait time.Duration) *Error {
	copied := *e
	copied.RetryAfter = wait
	return &copied
}

// Page returns an HTML page with a status: from 500 on what a gateway answers in the
// place of Chargebee, at 200 what something else on the way does.
func Page(status int) *Error { return &Error{Status: status, Page: true} }

const (
	invalidRequest  = "invalid_request"
	operationFailed = "operation_failed"
	payment         = "payment"
	untyped         = "untyped"
)

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

// Refusals with a fixed message. They can be injected
// (Config.Refusals, Config.Throttles); most of them also come
// of the site's state or of wrong calls, some with a message of their own.
var (
	ErrInvalidRequest    = refusal(http.StatusBadRequest, invalidRequest, "invalid_request", "The request is not valid")
	ErrWrongValue        = refusal(http.StatusBadRequest, invalidRequest, "param_wrong_value", "A parameter has a wrong value")
	ErrIncompatible      = refusal(http.StatusBadRequest, untyped, "configuration_incompatible", "The site is not configured for this")
	ErrResourceExhausted = refusal(http.StatusBadRequest, invalidRequest, "resource_limit_exhausted", "The limit of this resource has been reached")
	ErrResourceExceeded  = refusal(http.StatusBadRequest, invalidRequest, "resource_limit_exceeded", "The limit of this resource is exceeded")
	ErrDuplicateEntry    = refusal(http.StatusBadRequest, invalidRequest, "duplicate_entry", "The value is already present")

	ErrPaymentFailed       = refusal(http.StatusBadRequest, payment, "payment_processing_failed", "The payment could not be processed")
	ErrNoPaymentMethod     = refusal(http.StatusBadRequest, payment, "payment_method_not_present", "The customer has no payment method")
	ErrPaymentVerification = refusal(http.StatusBadRequest, payment, "payment_method_verification_failed", "The payment method could not be verified")
	ErrPaymentCurrency     = refusal(http.StatusBadRequest, payment, "payment_gateway_currency_incompatible", "The gateway does not support the currency")
	ErrPaymentIntent       = refusal(http.StatusBadRequest, payment, "payment_intent_invalid", "The payment intent is not valid")
	ErrPaymentIntentAmount = refusal(http.StatusBadRequest, payment, "payment_intent_invalid_amount", "The amount of the payment intent is not valid")

	ErrUnauthenticated     = refusal(http.StatusUnauthorized, untyped, "api_authentication_failed", "Sorry, authentication failed. Invalid api key")
	ErrBasicAuthentication = refusal(http.StatusUnauthorized, untyped, "basic_authentication_failed", "Sorry, basic authentication failed")
	ErrBlocked             = refusal(http.StatusForbidden, operationFailed, "request_blocked", "Sorry, the request has been blocked")
	ErrUnauthorized        = refusal(http.StatusForbidden, untyped, "api_authorization_failed", "Sorry, the api key does not allow this operation")
	ErrResourceNotFound    = refusal(http.StatusNotFound, invalidRequest, "resource_not_found", "Sorry, we couldn't find that resource")
	ErrSiteNotFound        = refusal(http.StatusNotFound, untyped, "site_not_found", "Sorry, there is no such site")
	ErrMethodNotSupported  = refusal(http.StatusMethodNotAllowed, invalidRequest, "http_method_not_supported", "The HTTP method is not supported for this URL")
	ErrInvalidState        = refusal(http.StatusConflict, invalidRequest, "invalid_state_for_request", "The state of the resource does not allow this")
	ErrKeyReused           = refusal(http.StatusUnprocessableEntity, invalidRequest, "unable_to_process_request", "The idempotency key has already been used with another request")
	ErrRateLimited         = refusal(http.StatusTooManyRequests, operationFailed, "api_request_limit_exceeded", "Sorry, access has been blocked temporarily due to request count exceeding acceptable limits. Please try after some time")
	ErrThirdPartyLimited   = refusal(http.StatusTooManyRequests, operationFailed, "third_party_api_request_limit_exceeded", "Sorry, a service that this request needs is limited. Please try after some time")
	ErrLockTimeout         = refusal(http.StatusTooManyRequests, operationFailed, "lock_timeout", "Sorry, the resource is being changed by another request. Please try after some time")
	ErrInternal            = refusal(http.StatusInternalServerError, operationFailed, "internal_error", "Sorry, something went wrong when trying to process the request")
	ErrTemporary           = refusal(http.StatusServiceUnavailable, operationFailed, "internal_temporary_error", "Sorry, the server is currently unable to handle the request. Please try after some time")
	ErrDatabaseConnection  = refusal(http.StatusServiceUnavailable, invalidRequest, "db_connection_failure", "Sorry, the server is currently unable to handle the request. Please try after some time") // the type is documented so
	ErrSiteNotReady        = refusal(http.StatusServiceUnavailable, operationFailed, "site_not_ready", "Sorry, the site is not ready. Please try after some time")
	ErrSiteReadOnly        = refusal(http.StatusServiceUnavailable, operationFailed, "site_read_only_mode", "Sorry, the site is in read-only mode. Please try after some time")

	// ErrCut cuts the connection without an answer.
	ErrCut = &Error{}
)

// documented are the rows of Chargebee's tables of errors, in the order of
// their status.
var documented = []*Error{
	ErrInvalidRequest, ErrWrongValue, ErrIncompatible, ErrResourceExhausted, ErrResourceExceeded, ErrDuplicateEntry,
	ErrPaymentFailed, ErrNoPaymentMethod, ErrPaymentVerification, ErrPaymentCurrency, ErrPaymentIntent, ErrPaymentIntentAmount,
	ErrUnauthenticated, ErrBasicAuthentication, ErrBlocked, ErrUnauthorized, ErrResourceNotFound, ErrSiteNotFound,
	ErrMethodNotSupported, ErrInvalidState, ErrKeyReused, ErrRateLimited, ErrThirdPartyLimited, ErrLockTimeout,
	ErrInternal, ErrTemporary, ErrDatabaseConnection, ErrSiteNotReady, ErrSiteReadOnly,
}

// Documented returns all refusals that Chargebee documents, always in the same
// order, so that they can be drawn from a seed.
//
// https://apidocs.chargebee.com/docs/api/error-handling
func Documented() []*Error { return slices.Clone(documented) }

func refusal(status int, kind, code, message string) *Error {
	return &Error{Status: status, Type: kind, Code: code, Message: message}
}
