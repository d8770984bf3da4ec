package webhook

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/billable-events/billable/pkg/event"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/telemetry"
)

// Path is the path of webhooks.
const Path = "/webhooks/chargebee"

// Config configures a Handler. Required are Queue, Observer, Now and the limits.
type Config struct {
	Queue      Enqueuer
	Observer   Observer
	Now        func() time.Time                // source of the received_at timestamp
	Middleware func(http.Handler) http.Handler // wraps all requests; may be nil

	// Credentials are the initial credentials; SetCredentials replaces them. An empty list
	// rejects every request unless AllowUnauthenticated is set.
	Credentials          []Credentials
	AllowUnauthenticated bool

	TrustedProxies []*net.IPNet // proxies whose X-Forwarded-For is used; may be nil

	// Limits.
	MaxInFlight      int           // requests
	MaxInFlightBytes int64         // of the bodies of all requests in flight
	MaxBodyBytes     int64         // of one body
	RequestTimeout   time.Duration // to read the body and enqueue the event
}

// Handler serves webhooks. It is safe for concurrent use.
type Handler struct {
	config   Config
	auth     atomic.Pointer[authenticator]
	requests limiter   // of requests in flight
	bytes    limiter   // of bytes of their bodies
	buffers  sync.Pool // of *bytes.Buffer
	draining atomic.Bool
	closed   atomic.Bool
	echo     *echo.Echo
	root     http.Handler // echo wrapped by Middleware
}

// NewHandler returns a Handler that serves Path.
func NewHandler(config Config) *Handler {
	h := &Handler{
		config:   config,
		requests: limiter{limit: int64(config.MaxInFlight)},
		bytes:    limiter{limit: config.MaxInFlightBytes},
		buffers:  sync.Pool{New: func() any { return new(bytes.Buffer) }},
		echo:     echo.New(),
	}
	h.SetCredentials(config.Credentials)
	h.echo.IPExtractor = clientAddress(config.TrustedProxies)
	h.echo.POST(Path, h.handle(h.receive))
	// Without this route, echo would answer OPTIONS with 204.
	h.echo.OPTIONS(Path, func(echo.Context) error { return echo.ErrMethodNotAllowed })
	h.echo.HTTPErrorHandler = func(err error, c echo.Context) { // not found, method not allowed
		_ = h.handle(func(echo.Context, *RequestResult) (any, error) { return nil, errUnrouted(err) })(c)
	}
	h.root = h.echo
	if config.Middleware != nil {
		h.root = config.Middleware(h.echo)
	}
	return h
}

// clientAddress returns a function that extracts the IP address of the client from a request:
//
//	the peer of the connection is a trusted proxy  the last address in X-Forwarded-For but trusted proxies
//	otherwise                                      the address of the peer
//
// The header Forwarded (RFC 7239) is not used: a client can forge it, because many proxies set only
// X-Forwarded-For and pass on the other.
func clientAddress(trusted []*net.IPNet) echo.IPExtractor {
	if len(trusted) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, network := range trusted {
		options = append(options, echo.TrustIPRange(network))
	}
	return echo.ExtractIPFromXFFHeader(options...)
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.root.ServeHTTP(w, r) }

// SetCredentials replaces the accepted credentials for later requests.
func (h *Handler) SetCredentials(credentials []Credentials) {
	h.auth.Store(newAuthenticator(credentials, h.config.AllowUnauthenticated))
}

// InFlight returns the number of webhooks in flight.
func (h *Handler) InFlight() int64 { return h.requests.inFlight.Load() }

// Drain makes the handler close each connection after its next response.
func (h *Handler) Drain() { h.draining.Store(true) }

// Draining reports whether Drain was called.
func (h *Handler) Draining() bool { return h.draining.Load() }

// Close makes the handler respond 503 to further webhooks.
func (h *Handler) Close() { h.closed.Store(true) }

// handle returns an echo handler that every request passes through. It calls serve, which returns the body
// of a success response or an error and sets fields of the result. Then it writes the response and reports
// the result.
func (h *Handler) handle(serve func(echo.Context, *RequestResult) (any, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		started := time.Now()
		// net/http discards an unread body before it sends a response, for example 401: this deadline
		// limits that. readBody sets other deadlines.
		setReadDeadline(c, started.Add(discardTimeout))
		result := &RequestResult{ClientAddress: c.RealIP()}
		success, err := recoverPanic(c, result, serve)
		result.Status = h.respond(c, success, err)
		// net/http cancels the context when the client disconnects, and when the read deadline expires.
		readDeadlineExpired := errors.Is(err, os.ErrDeadlineExceeded)
		if c.Request().Context().Err() != nil && !readDeadlineExpired {
			result.Status = StatusClientGone
		}
		if httpErr, ok := errors.AsType[*httpError](err); ok {
			result.Overload = httpErr.overload
		}
		result.Err = err
		result.Duration = time.Since(started)
		h.config.Observer.RequestDone(c.Request().Context(), *result)
		return nil
	}
}

// recoverPanic calls serve, and returns a panic as an error.
func recoverPanic(c echo.Context, result *RequestResult, serve func(echo.Context, *RequestResult) (any, error)) (success any, err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			err = fmt.Errorf("panic: %v\n%s", recovered, debug.Stack())
		}
	}()
	return serve(c, result)
}

// queued and ignored are the bodies of the two success responses.
type queued struct {
	Status    string `json:"status"`
	EventID   string `json:"event_id"`
	MessageID string `json:"message_id"`
}

type ignored struct {
	Status    string `json:"status"`
	EventType string `json:"event_type"`
}

// receive serves one webhook.
func (h *Handler) receive(c echo.Context, result *RequestResult) (any, error) {
	deadline := time.Now().Add(h.config.RequestTimeout)
	if h.closed.Load() {
		return nil, errShuttingDown
	}
	if !h.requests.tryAcquire(1) {
		return nil, errTooManyRequests
	}
	defer h.requests.release(1)

	request := c.Request()
	if !h.auth.Load().authenticate(request) {
		return nil, errInvalidCredentials
	}
	if err := checkContentType(request.Header); err != nil {
		return nil, err
	}

	buffer := h.buffers.Get().(*bytes.Buffer)
	defer h.putBuffer(buffer)
	acquired, err := h.readBody(c, deadline, buffer)
	defer h.bytes.release(acquired)
	result.Bytes = int64(buffer.Len())
	if err != nil {
		return nil, err
	}

	evt, err := event.Parse(buffer.Bytes())
	if err != nil {
		return nil, errInvalidEvent(err)
	}
	result.EventType, result.EventID, result.InvoiceID = evt.Type, evt.ID, evt.Invoice.ID
	if evt.Type != event.PendingInvoiceCreated {
		return ignored{Status: "ignored", EventType: evt.Type}, nil
	}

	ctx, cancel := context.WithDeadline(request.Context(), deadline)
	defer cancel()
	result.MessageID, err = h.config.Queue.Send(ctx, h.message(evt, buffer.Bytes(), request.Header)) //mutant:enqueue
	if err != nil {
		return nil, errEnqueue(err)
	}
	return queued{Status: "queued", EventID: evt.ID, MessageID: result.MessageID}, nil
}

// message returns the message of an event: the unchanged body, and attributes for programs that do not parse
// the body. The GroupID is the customer id, so that SQS fair queues can keep the many messages of one customer
// from delaying those of others. Without a customer id it is the invoice id.
func (h *Handler) message(evt event.Event, body []byte, header http.Header) queue.Message {
	attributes := map[string]string{
		queue.AttributeEventID:    evt.ID,
		queue.AttributeEventType:  evt.Type,
		queue.AttributeInvoiceID:  evt.Invoice.ID,
		queue.AttributeReceivedAt: h.config.Now().UTC().Format(time.RFC3339),
	}
	if parent := traceParent(header); parent != "" {
		attributes[queue.AttributeTraceParent] = parent
	}
	group := cmp.Or(evt.Invoice.CustomerID, evt.Invoice.ID)
	return queue.Message{Body: body, Attributes: attributes, GroupID: group}
}

// traceParent returns the Traceparent header of the request, or "" if there is not exactly one valid value.
func traceParent(header http.Header) string {
	given := header.Values("Traceparent")
	if len(given) != 1 {
		return ""
	}
	return telemetry.TraceParent(telemetry.WithTraceParent(context.Background(), given[0]))
}
