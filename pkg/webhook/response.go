package webhook

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/billable-events/billable/pkg/event"
)

// retryAfter is the Retry-After of responses with status 503, in seconds.
const retryAfter = "1"

// httpError is an error response. Only its status, detail and problems are sent to the client.
type httpError struct {
	status   int
	detail   string
	problems []event.Problem
	overload bool  // too many requests or bytes are in flight
	cause    error // for the log; may be nil
}

func (e *httpError) Error() string {
	if e.cause != nil {
		return e.detail + ": " + e.cause.Error()
	}
	return e.detail
}

func (e *httpError) Unwrap() error { return e.cause }

var (
	errShuttingDown       = &httpError{status: http.StatusServiceUnavailable, detail: "the receiver is shutting down"}
	errTooManyRequests    = &httpError{status: http.StatusServiceUnavailable, detail: "too many requests in flight", overload: true}
	errTooManyBytes       = &httpError{status: http.StatusServiceUnavailable, detail: "too many bytes in flight", overload: true}
	errInvalidCredentials = &httpError{status: http.StatusUnauthorized, detail: "invalid credentials"}
)

func errInvalidEvent(err error) error {
	httpErr := &httpError{status: http.StatusBadRequest, detail: "invalid event", cause: err}
	if invalid, ok := errors.AsType[*event.InvalidError](err); ok {
		httpErr.problems = invalid.Problems
	}
	return httpErr
}

// errEnqueue has status 503, also if SQS refused the message: its content has been validated before, so the
// cause is the queue, for example its MaximumMessageSize.
func errEnqueue(err error) error {
	return &httpError{status: http.StatusServiceUnavailable, detail: "the event could not be enqueued", cause: err}
}

// problemDetails is the body of an error response.
// https://www.rfc-editor.org/rfc/rfc9457
type problemDetails struct {
	Type   string          `json:"type"`
	Title  string          `json:"title"`
	Status int             `json:"status"`
	Detail string          `json:"detail"`
	Errors []event.Problem `json:"errors,omitempty"`
}

// respond writes the response and returns its status. It ignores errors of writing, which mean that the
// client has disconnected.
func (h *Handler) respond(c echo.Context, success any, err error) (status int) {
	header := c.Response().Header()
	if h.draining.Load() || !hasCertainLength(c.Request()) {
		header.Set("Connection", "close")
	}
	if err == nil {
		_ = c.JSON(http.StatusOK, success)
		return http.StatusOK
	}

	httpErr := toHTTPError(err)
	if httpErr.overload { // so that its slot is free for another client
		header.Set("Connection", "close")
	}
	switch httpErr.status {
	case http.StatusUnauthorized:
		header.Set("WWW-Authenticate", `Basic realm="billable", charset="UTF-8"`)
	case http.StatusMethodNotAllowed:
		header.Set("Allow", http.MethodPost)
	case http.StatusServiceUnavailable:
		header.Set("Retry-After", retryAfter)
	}
	header.Set(echo.HeaderContentType, "application/problem+json")
	c.Response().WriteHeader(httpErr.status)
	if c.Request().Method != http.MethodHead {
		_ = c.Echo().JSONSerializer.Serialize(c, problemDetails{
			Type:   "about:blank",
			Title:  http.StatusText(httpErr.status),
			Status: httpErr.status,
			Detail: httpErr.detail,
			Errors: httpErr.problems,
		}, "")
	}
	return httpErr.status
}

// hasCertainLength reports whether a proxy and net/http certainly agree about where the request ends. If
// they disagree, one of them takes a part of the body for the next request (request smuggling). They can
// disagree about chunks in HTTP/1.0, which net/http ignores, and about chunks together with a
// Content-Length, which net/http hides. So no request in HTTP/1.0 or with chunks has a certain length.
// https://www.rfc-editor.org/rfc/rfc9112#section-6.1-14
func hasCertainLength(r *http.Request) bool {
	return r.ProtoAtLeast(1, 1) && len(r.TransferEncoding) == 0
}

// errUnrouted returns an httpError for an error of echo about a path or method, and other errors unchanged.
func errUnrouted(err error) error {
	switch {
	case errors.Is(err, echo.ErrNotFound):
		return &httpError{status: http.StatusNotFound, detail: "not found: send webhooks to " + Path}
	case errors.Is(err, echo.ErrMethodNotAllowed):
		return &httpError{status: http.StatusMethodNotAllowed, detail: "method not allowed: use POST"}
	default:
		return err
	}
}

// toHTTPError returns the httpError in err, or one for an unexpected error, without its text.
func toHTTPError(err error) *httpError {
	if httpErr, ok := errors.AsType[*httpError](err); ok {
		return httpErr
	}
	return &httpError{status: http.StatusInternalServerError, detail: "internal error"}
}
