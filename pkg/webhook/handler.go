package webhook

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/billable-events/billable/pkg/event"
	"github.com/billable-events/billable/pkg/queue"
)

// Path is where webhooks arrive, exactly.
const Path = "/webhooks/chargebee"

// Config is what a Handler is made of. All fields are required, except where said.
type Config struct {
	Queue    Enqueuer
	Observer Observer
	Now      func() time.Time                // the clock of received_at
	Around   func(http.Handler) http.Handler // put around all that is done for a request; may be nil

	// Credentials are the sets that are accepted until Use gives others; without any no
	// request is. Anyone lets everybody in.
	Credentials []Credentials
	Anyone      bool

	MaxInFlight      int           // requests
	MaxInFlightBytes int64         // of their bodies together
	MaxBodyBytes     int64         // of one body
	RequestTimeout   time.Duration // from the arrival of a request to its answer
}

// Handler answers webhooks. It is safe for concurrent use.
type Handler struct {
	config   Config
	guard    atomic.Pointer[guard]
	requests allowance
	bytes    allowance
	buffers  sync.Pool // of *bytes.Buffer
	draining atomic.Bool
	closed   atomic.Bool
	echo     *echo.Echo
	serving  http.Handler // echo, with what is around it
}

// NewHandler returns a handler that answers on Path.
func NewHandler(config Config) *Handler {
	h := &Handler{
		config:   config,
		requests: allowance{limit: int64(config.MaxInFlight)},
		bytes:    allowance{limit: config.MaxInFlightBytes},
		buffers:  sync.Pool{New: func() any { return new(bytes.Buffer) }},
		echo:     echo.New(),
	}
	h.Use(config.Credentials)
	h.echo.POST(Path, h.handle(h.receive))
	// Echo answers OPTIONS with success by itself.
	h.echo.OPTIONS(Path, h.handle(wrongMethod))
	h.echo.HTTPErrorHandler = func(err error, c echo.Context) { // what echo found out itself
		_ = h.handle(func(echo.Context, *Report) (any, error) { return nil, err })(c)
	}
	h.serving = h.echo
	if config.Around != nil {
		h.serving = config.Around(h.echo)
	}
	return h
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.serving.ServeHTTP(w, r) }

// Use makes these the sets of credentials that are accepted, in place of those before.
// Requests that are in flight were let in by those.
func (h *Handler) Use(credentials []Credentials) {
	h.guard.Store(newGuard(credentials, h.config.Anyone))
}

// InFlight is how many webhooks are worked on.
func (h *Handler) InFlight() int64 { return h.requests.used.Load() }

// Drain makes the handler tell its clients to open no further requests on their
// connections. It goes on answering.
func (h *Handler) Drain() { h.draining.Store(true) }

// Draining tells whether Drain was called.
func (h *Handler) Draining() bool { return h.draining.Load() }

// Close makes the handler refuse further requests for now.
func (h *Handler) Close() { h.closed.Store(true) }

func wrongMethod(echo.Context, *Report) (any, error) { return nil, echo.ErrMethodNotAllowed }

// handle makes an echo handler of one that returns what to answer, or why not, and
// fills in the report on the way. Every request is answered, and reported, here.
func (h *Handler) handle(serve func(echo.Context, *Report) (any, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		started := time.Now()
		readUntil(c, started.Add(unreadTime))
		report := &Report{}
		success, err := protect(c, report, serve)
		report.Status = h.answer(c, success, err)
		// A body that is too slow ends the request's context as well.
		if c.Request().Context().Err() != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			report.Status = StatusClientGone
		}
		if refused, ok := errors.AsType[*refusal](err); ok {
			report.Shed = refused.shed
		}
		report.Err = err
		report.Took = time.Since(started)
		h.config.Observer.Answered(c.Request().Context(), *report)
		return nil
	}
}

// protect makes an error of a panic.
func protect(c echo.Context, report *Report, serve func(echo.Context, *Report) (any, error)) (success any, err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			err = fmt.Errorf("panic: %v\n%s", recovered, debug.Stack())
		}
	}()
	return serve(c, report)
}

// queued and ignored are the answers to an event that was taken.
type queued struct {
	Status    string `json:"status"`
	EventID   string `json:"event_id"`
	MessageID string `json:"message_id"`
}

type ignored struct {
	Status    string `json:"status"`
	EventType string `json:"event_type"`
}

// receive is all the steps of one webhook, in their order.
func (h *Handler) receive(c echo.Context, report *Report) (any, error) {
	deadline := time.Now().Add(h.config.RequestTimeout)
	if h.closed.Load() {
		return nil, refuseClosed
	}
	if !h.requests.take(1) {
		return nil, refuseRequests
	}
	defer h.requests.give(1)

	request := c.Request()
	if !h.guard.Load().admits(request) {
		return nil, refuseCredentials
	}
	if err := checkContent(request.Header); err != nil {
		return nil, err
	}

	buffer := h.buffers.Get().(*bytes.Buffer)
	defer h.recycle(buffer)
	held, err := h.readBody(c, deadline, buffer)
	defer h.bytes.give(held)
	report.Bytes = int64(buffer.Len())
	if err != nil {
		return nil, err
	}

	received, err := event.Parse(buffer.Bytes())
	if err != nil {
		return nil, refuseEvent(err)
	}
	report.EventType, report.EventID, report.InvoiceID = received.Type, received.ID, received.Invoice.ID
	if received.Type != event.PendingInvoiceCreated {
		return ignored{Status: "ignored", EventType: received.Type}, nil
	}

	ctx, cancel := context.WithDeadline(request.Context(), deadline)
	defer cancel()
	report.MessageID, err = h.config.Queue.Send(ctx, h.message(received, buffer.Bytes(), request.Header)) //mutant:enqueue
	if err != nil {
		return nil, refuseQueue(err)
	}
	return queued{Status: "queued", EventID: received.ID, MessageID: report.MessageID}, nil
}

// message is the event as it travels: the body untouched, and beside it what the
// consumer and its operator want to know without reading the body. Messages of one
// customer form a group, so that they do not delay those of others; without a customer
// each invoice is a group of its own.
func (h *Handler) message(received event.Event, body []byte, header http.Header) queue.Message {
	attributes := map[string]string{
		queue.AttributeEventID:    received.ID,
		queue.AttributeEventType:  received.Type,
		queue.AttributeInvoiceID:  received.Invoice.ID,
		queue.AttributeReceivedAt: h.config.Now().UTC().Format(time.RFC3339),
	}
	if parent := traceParent(header); parent != "" {
		attributes[queue.AttributeTraceParent] = parent
	}
	group := cmp.Or(received.Invoice.CustomerID, received.Invoice.ID)
	return queue.Message{Body: body, Attributes: attributes, GroupID: group}
}
