package webhook

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
)

const (
	// chunk is by how much the account of a body of unknown length grows.
	chunk = 32 << 10
	// unreadTime is how long the server waits for a body that nobody wants before it
	// answers: what has arrived already is thrown away, so that the connection can be
	// used again; what is slow costs the connection, not the time of the answer.
	unreadTime = 250 * time.Millisecond
	// keptBuffer is the largest buffer that is kept for the next request: events have
	// a few KiB.
	keptBuffer = 64 << 10
)

// allowance counts what is in flight against a limit.
type allowance struct {
	limit int64
	used  atomic.Int64
}

// take returns false, and takes nothing, if that is beyond the limit.
func (a *allowance) take(count int64) bool {
	for {
		used := a.used.Load()
		if used+count > a.limit {
			return false
		}
		if a.used.CompareAndSwap(used, used+count) {
			return true
		}
	}
}

func (a *allowance) give(count int64) { a.used.Add(-count) }

// readBody reads the whole body until the deadline. It returns how many bytes it took
// from the allowance, also with an error; nothing is buffered that was not taken
// before. A refused body is not read to its end.
func (h *Handler) readBody(c echo.Context, deadline time.Time, into *bytes.Buffer) (held int64, err error) {
	request := c.Request()
	if request.ContentLength > h.config.MaxBodyBytes {
		return 0, h.refuseSize()
	}
	known := request.ContentLength >= 0
	body := http.MaxBytesReader(c.Response().Writer, request.Body, h.config.MaxBodyBytes)
	for {
		portion := min(chunk, h.config.MaxBodyBytes-held)
		if known {
			portion = request.ContentLength
		}
		if !h.bytes.take(portion) {
			readUntil(c, time.Now().Add(unreadTime))
			return held, refuseBytes
		}
		held += portion
		readUntil(c, deadline)
		if known {
			into.Grow(int(portion)) // growing as it comes would take twice as much
		} else {
			portion = max(portion, 1) // the byte that makes it too large
		}
		_, err := io.CopyN(into, body, portion)
		switch {
		case err == nil && !known:
			continue
		case err == nil, errors.Is(err, io.EOF) && !known:
			readUntil(c, time.Time{}) // from here on only the client's leaving is noticed
			return held, nil
		case isTooLarge(err):
			return held, h.refuseSize()
		case !isPassing(err):
			return held, &refusal{status: http.StatusBadRequest, detail: "the transfer encoding of the body is malformed", cause: err}
		default: // too slow, or the client has gone
			return held, &refusal{status: http.StatusServiceUnavailable, detail: "the body did not arrive in time", cause: err}
		}
	}
}

// readUntil sets the deadline for reading from the client. Not every ResponseWriter has
// a connection; the server sets the deadline of the next request.
func readUntil(c echo.Context, deadline time.Time) {
	_ = http.NewResponseController(c.Response().Writer).SetReadDeadline(deadline)
}

func isTooLarge(err error) bool {
	_, ok := errors.AsType[*http.MaxBytesError](err)
	return ok
}

// isPassing tells whether the body may arrive another time: it, or the connection, ended
// too early. What else net/http finds wrong with a body is its chunks.
func isPassing(err error) bool {
	_, broken := errors.AsType[net.Error](err)
	return broken || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.ErrClosedPipe)
}

func (h *Handler) refuseSize() error {
	return &refusal{
		status: http.StatusRequestEntityTooLarge,
		detail: fmt.Sprintf("the body is larger than %d bytes", h.config.MaxBodyBytes),
	}
}

// recycle keeps a buffer for the next request.
func (h *Handler) recycle(buffer *bytes.Buffer) {
	if buffer.Cap() <= keptBuffer {
		buffer.Reset()
		h.buffers.Put(buffer)
	}
}
