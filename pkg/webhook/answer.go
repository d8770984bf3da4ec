package webhook

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/billable-events/billable/pkg/event"
)

// retryAfter is how long a client should wait after a 503, in seconds. What is short
// here is so for moments.
const retryAfter = "1"

// refusal is why a request gets no success: what the client reads, and apart from it
// what the log gets.
type refusal struct {
	status int
	detail string          // for the client
	fields []event.Problem // for the client
	shed   bool            // because too much is in flight
	cause  error           // for the log alone; may be nil
}

func (r *refusal) Error() string {
	if r.cause != nil {
		return r.detail + ": " + r.cause.Error()
	}
	return r.detail
}

func (r *refusal) Unwrap() error { return r.cause }

var (
	refuseClosed      = &refusal{status: http.StatusServiceUnavailable, detail: "the receiver is shutting down"}
	refuseRequests    = &refusal{status: http.StatusServiceUnavailable, detail: "too many requests are in flight", shed: true}
	refuseBytes       = &refusal{status: http.StatusServiceUnavailable, detail: "too many bytes are in flight", shed: true}
	refuseCredentials = &refusal{status: http.StatusUnauthorized, detail: "the user name or the password is wrong"}
)

func refuseEvent(err error) error {
	refused := &refusal{status: http.StatusBadRequest, detail: "this is no valid event", cause: err}
	if invalid, ok := errors.AsType[*event.InvalidError](err); ok {
		refused.fields = invalid.Problems
	}
	return refused
}

// refuseQueue is never the client's fault, whatever the queue says: what SQS does not
// take was refused before.
func refuseQueue(err error) error {
	return &refusal{status: http.StatusServiceUnavailable, detail: "the event could not be put into the queue", cause: err}
}

// document is the body of a refusal.
// https://www.rfc-editor.org/rfc/rfc9457
type document struct {
	Type   string          `json:"type"`
	Title  string          `json:"title"`
	Status int             `json:"status"`
	Detail string          `json:"detail"`
	Errors []event.Problem `json:"errors,omitempty"`
}

// answer writes the answer and returns its status. That the client has gone is no
// error.
func (h *Handler) answer(c echo.Context, success any, err error) (status int) {
	header := c.Response().Header()
	if h.draining.Load() || !delimited(c.Request()) {
		header.Set("Connection", "close")
	}
	if err == nil {
		_ = c.JSON(http.StatusOK, success)
		return http.StatusOK
	}

	refused := refusalOf(err)
	if refused.shed { // others wait for its place
		header.Set("Connection", "close")
	}
	switch refused.status {
	case http.StatusUnauthorized:
		header.Set("WWW-Authenticate", `Basic realm="billable", charset="UTF-8"`)
	case http.StatusMethodNotAllowed:
		header.Set("Allow", http.MethodPost)
	case http.StatusServiceUnavailable:
		header.Set("Retry-After", retryAfter)
	}
	header.Set(echo.HeaderContentType, "application/problem+json")
	c.Response().WriteHeader(refused.status)
	if c.Request().Method != http.MethodHead {
		_ = c.Echo().JSONSerializer.Serialize(c, document{
			Type:   "about:blank",
			Title:  http.StatusText(refused.status),
			Status: refused.status,
			Detail: refused.detail,
			Errors: refused.fields,
		}, "")
	}
	return refused.status
}

// delimited tells whether it is beyond doubt where the request ended. Of chunks that come
// together with a Content-Length net/http forgets the length, and of chunks in HTTP/1.0
// the chunks; somebody in front of the receiver may go by what it forgets, and then what
// seems to be the next request was smuggled in.
// https://www.rfc-editor.org/rfc/rfc9112#section-6.1-14
func delimited(r *http.Request) bool { return r.ProtoAtLeast(1, 1) && len(r.TransferEncoding) == 0 }

// refusalOf makes a refusal of any error: of those that echo finds, and of a defect.
func refusalOf(err error) *refusal {
	if refused, ok := errors.AsType[*refusal](err); ok {
		return refused
	}
	if found, ok := errors.AsType[*echo.HTTPError](err); ok {
		switch found.Code {
		case http.StatusNotFound:
			return &refusal{status: found.Code, detail: "there is nothing here: webhooks go to " + Path}
		case http.StatusMethodNotAllowed:
			return &refusal{status: found.Code, detail: "webhooks are sent with POST"}
		}
	}
	return &refusal{status: http.StatusInternalServerError, detail: "the request could not be handled"}
}
