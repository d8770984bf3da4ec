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
	// readChunk is the part of the byte limit that a body of unknown length acquires at a time.
	readChunk = 32 << 10
	// discardTimeout limits how long a response waits for an unread body. One that has
	// arrived is discarded, so that the connection can be used again.
	discardTimeout = 250 * time.Millisecond
	// maxPooledBuffer is the largest buffer that is used again. Events have a few KiB.
	maxPooledBuffer = 64 << 10
)

// limiter limits a number in flight.
type limiter struct {
	limit    int64
	inFlight atomic.Int64
}

// tryAcquire returns false and acquires nothing if count would exceed the limit.
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

// readBody reads the body until the deadline. It returns the number of bytes that it acquired
// from the limiter, also with an error, and buffers no byte that it has not acquired.
func (h *Handler) readBody(c echo.Context, deadline time.Time, into *bytes.Buffer) (acquired int64, err error) {
	request := c.Request()
	if request.ContentLength > h.config.MaxBodyBytes {
		return 0, h.errTooLarge()
	}
	known := request.ContentLength >= 0
	body := http.MaxBytesReader(c.Response().Writer, request.Body, h.config.MaxBodyBytes)
	for {
		chunk := min(readChunk, h.config.MaxBodyBytes-acquired)
		if known {
			chunk = request.ContentLength
		}
		if !h.bytes.tryAcquire(chunk) {
			setReadDeadline(c, time.Now().Add(discardTimeout))
			return acquired, errTooManyBytes
		}
		acquired += chunk
		setReadDeadline(c, deadline)
		if known {
			into.Grow(int(chunk)) // exact: growing on demand would take twice the memory
		} else {
			chunk = max(chunk, 1) // the byte that makes it too large
		}
		_, err := io.CopyN(into, body, chunk)
		switch {
		case err == nil && !known:
			continue
		case err == nil, errors.Is(err, io.EOF) && !known:
			setReadDeadline(c, time.Time{}) // so that net/http reports only a closed connection
			return acquired, nil
		case isTooLarge(err):
			return acquired, h.errTooLarge()
		case !isTransient(err):
			return acquired, &httpError{status: http.StatusBadRequest, detail: "malformed transfer encoding", cause: err}
		default:
			return acquired, &httpError{status: http.StatusServiceUnavailable, detail: "the body did not arrive in time", cause: err}
		}
	}
}

// setReadDeadline sets the deadline of the connection, if the ResponseWriter has one. The
// server resets it for the next request.
func setReadDeadline(c echo.Context, deadline time.Time) {
	_ = http.NewResponseController(c.Response().Writer).SetReadDeadline(deadline)
}

func isTooLarge(err error) bool {
	_, ok := errors.AsType[*http.MaxBytesError](err)
	return ok
}

// isTransient reports whether the body or its connection ended too early. Other errors of
// net/http are about the encoding of chunks.
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

// putBuffer returns a buffer to the pool.
func (h *Handler) putBuffer(buffer *bytes.Buffer) {
	if buffer.Cap() <= maxPooledBuffer {
		buffer.Reset()
		h.buffers.Put(buffer)
	}
}
