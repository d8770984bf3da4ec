package sandbox

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
)

// ErrConnectionCut is the error of a caller when the service closed the connection before
// the end of its response.
var ErrConnectionCut = errors.New("sandbox: connection cut")

// Transport is an http.RoundTripper that calls Handler in the same process.
// It works inside a testing/synctest bubble, where real sockets do not: the
// real SDKs run on it in virtual time.
//
// The handler runs in a goroutine of its own and sees the request's context. A
// caller whose context ends does not wait for it, as over a network: what the
// handler has begun may still take effect. A handler that panics with
// http.ErrAbortHandler cuts the connection; any other panic is a defect of the
// fake and ends the program.
type Transport struct {
	Handler http.Handler
}

// RoundTrip implements http.RoundTripper.
func (t Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx := request.Context()
	body, err := sent(request)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx) // nothing was sent
	}

	served := request.Clone(ctx)
	served.ContentLength = int64(body.Len())
	served.Body = io.NopCloser(body)
	served.RequestURI = request.URL.RequestURI()
	served.RemoteAddr = "127.0.0.1:0"
	if served.Host == "" {
		served.Host = request.URL.Host
	}

	answers := make(chan *answer, 1)
	go func() {
		answer := &answer{header: http.Header{}}
		defer func() {
			if recovered := recover(); recovered != nil {
				if recovered != http.ErrAbortHandler { //nolint:errorlint // a panic value, not an error chain
					panic(recovered)
				}
				answer.cut = true
			}
			answers <- answer
		}()
		t.Handler.ServeHTTP(answer, served)
	}()

	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case answer := <-answers:
		return answer.response(request)
	}
}

// sent takes the body of a request as a network would: it is whole, and no longer
// the caller's.
func sent(request *http.Request) (*bytes.Buffer, error) {
	body := &bytes.Buffer{}
	if request.Body == nil {
		return body, nil
	}
	if request.ContentLength > 0 {
		body.Grow(int(request.ContentLength) + bytes.MinRead) // so that it need not grow to see the end
	}
	_, err := body.ReadFrom(request.Body)
	_ = request.Body.Close()
	return body, err
}

// answer collects what a handler writes.
type answer struct {
	header http.Header // the handler's, to the end
	sent   http.Header // as it was when the answer began
	status int
	body   bytes.Buffer
	cut    bool
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
		a.sent = a.header.Clone()
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

func (a *answer) response(request *http.Request) (*http.Response, error) {
	if a.cut && a.status == 0 {
		return nil, ErrConnectionCut
	}
	a.WriteHeader(http.StatusOK)
	length := int64(a.body.Len())
	body := io.Reader(&a.body)
	if a.cut {
		body, length = io.MultiReader(&a.body, cut{}), -1
	}
	return &http.Response{
		Status:        strconv.Itoa(a.status) + " " + http.StatusText(a.status),
		StatusCode:    a.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        a.sent,
		Body:          io.NopCloser(body),
		ContentLength: length,
		Request:       request,
	}, nil
}

type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, ErrConnectionCut }
