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
	// readChunk is the number of bytes that readBody acquires at a time for a body of unknown length.
	readChunk = 32 << 10
	// discardTimeout is the time in which net/http can read and discard the rest of a body before it
	// sends a response. If it succeeds, the client can use the connection again.
	discardTimeout = 250 * time.Millisecond
	// maxPooledBuffer is the capacity of the largest buffer that is used again. Events have a few KiB.
	maxPooledBuffer = 64 << 10
)

// limiter limits a count, for example of requests in flight.
type limiter struct {
	limit    int64
	inFlight atomic.Int64
}

// tryAcquire adds count to inFlight. If the sum would exceed the limit, it returns false and adds nothing.
func (l *limiter) tryAcquire(count int64) bool {
	for {
		inFlight := l.inFlight.Load()
		if inFlight+count > l.limit {
			return false
		}
		if l.inFlight.CompareAndSwap(inFlight, inFlight+count) {
			return true
		}
	}
}

func (l *limiter) release(count int64) { l.inFlight.Add(-count) }

// readBody reads the body into the buffer until the deadline. It acquires bytes from h.bytes before it buffers
// them. The caller must release the acquired bytes, also after an error.
func (h *Handler) readBody(c echo.Context, deadline time.Time, buffer *bytes.Buffer) (acquired int64, err error) {
	request := c.Request()
	if request.ContentLength > h.config.MaxBodyBytes {
		return 0, h.errTooLarge()
	}
	lengthKnown := request.ContentLength >= 0
	body := http.MaxBytesReader(c.Response().Writer, request.Body, h.config.MaxBodyBytes)
	for {
		chunk := min(readChunk, h.config.MaxBodyBytes-acquired)
		if lengthKnown {
			chunk = request.ContentLength // the whole body
		}
		if !h.bytes.tryAcquire(chunk) {
			setReadDeadline(c, time.Now().Add(discardTimeout))
			return acquired, errTooManyBytes
		}
		acquired += chunk
		setReadDeadline(c, deadline)
		if lengthKnown {
			buffer.Grow(int(chunk)) // a buffer that grows on demand would take twice the memory
		} else {
			chunk = max(chunk, 1) // after MaxBodyBytes: one more byte is an error of MaxBytesReader
		}
		_, err := io.CopyN(buffer, body, chunk)
		switch {
		case err == nil && !lengthKnown:
			continue // with the next chunk
		case err == nil && lengthKnown, errors.Is(err, io.EOF) && !lengthKnown:
			// From here on, net/http cancels the context of the request only if the client disconnects.
			setReadDeadline(c, time.Time{})
			return acquired, nil
		case isTooLarge(err):
			return acquired, h.errTooLarge()
		case isTransient(err):
			return acquired, &httpError{status: http.StatusServiceUnavailable, detail: "the body did not arrive in time", cause: err}
		default:
			return acquired, &httpError{status: http.StatusBadRequest, detail: "malformed transfer encoding", cause: err}
		}
	}
}

// setReadDeadline sets the read deadline of the connection. It does nothing if the ResponseWriter does not
// support that. The server resets the deadline for the next request.
func setReadDeadline(c echo.Context, deadline time.Time) {
	_ = http.NewResponseController(c.Response().Writer).SetReadDeadline(deadline)
}

func isTooLarge(err error) bool {
	_, ok := errors.AsType[*http.MaxBytesError](err)
	return ok
}

// isTransient reports whether reading a body failed because of the connection, the deadline or an early end
// of the body. All other errors of net/http are about the encoding of chunks.
func isTransient(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.ErrClosedPipe)
}

func (h *Handler) errTooLarge() error {
	return &httpError{
		status: http.StatusRequestEntityTooLarge,
		detail: fmt.Sprintf("the body is larger than %d bytes", h.config.MaxBodyBytes),
	}
}

// putBuffer returns a buffer to the pool, unless it is too large.
func (h *Handler) putBuffer(buffer *bytes.Buffer) {
	if buffer.Cap() <= maxPooledBuffer {
		buffer.Reset()
		h.buffers.Put(buffer)
	}
}
