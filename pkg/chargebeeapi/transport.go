package chargebeeapi

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/chargebee/chargebee-go/v3"

	"github.com/billable-events/billable/pkg/ratelimit"
)

// install makes the SDK send through transport. Its client is a package variable that
// it reads without synchronisation; all that differs from call to call is therefore in
// the call's context, and the variable is set once, before any call.
var install = sync.OnceFunc(func() {
	chargebee.WithHTTPClient(&http.Client{
		Transport: transport{},
		// Zero would become the SDK's 80 s. The context of a call bounds it.
		Timeout: -1,
	})
})

var (
	errForeign = errors.New("chargebeeapi: not a call of a Client")
	errTwice   = errors.New("chargebeeapi: a call is sent once only")
)

// transport is where the SDK's requests leave.
type transport struct{}

// RoundTrip implements http.RoundTripper. A request that belongs to no call of a
// Client is refused: it would be a call without a permit.
func (transport) RoundTrip(request *http.Request) (*http.Response, error) {
	exchange, ok := request.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		return nil, reject(request, errForeign)
	}
	return exchange.roundTrip(request)
}

// reject ends a request that is not sent.
func reject(request *http.Request, why error) error {
	if request.Body != nil {
		_ = request.Body.Close()
	}
	return why
}

type exchangeKey struct{}

// exchange is one call on its way through the SDK. It is used by one goroutine.
type exchange struct {
	client *Client
	permit *ratelimit.Permit

	sent   bool
	method string // of what was sent
	unsent error  // why nothing was sent
	err    error  // why there is no answer, or not the whole of it
	answer answer // as far as it came
}

func (e *exchange) roundTrip(request *http.Request) (*http.Response, error) {
	if e.sent { // a redirect, or a repetition: the first answer counts
		return nil, reject(request, errTwice)
	}
	if e.unsent = e.admit(request.Context()); e.unsent != nil {
		return nil, reject(request, e.unsent)
	}
	e.sent, e.method = true, request.Method
	response, err := e.client.config.Transport.RoundTrip(e.client.address(request))
	if err == nil {
		e.answer, err = receive(response)
	}
	if err != nil {
		e.err = err
		return nil, err
	}
	// What the SDK makes of an answer is of no use here, and is dear: for an invoice
	// of many lines it costs several times what reading the answer does. It gets one
	// that it can do nothing wrong with.
	response.Body = io.NopCloser(strings.NewReader(emptyAnswer))
	response.ContentLength = int64(len(emptyAnswer))
	return response, nil
}

// emptyAnswer satisfies the SDK as an answer to any call: without the list, it would
// panic where it expects one.
const emptyAnswer = `{"list":[]}`

// admit is the last look before the request is on the wire.
func (e *exchange) admit(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return e.permit.Spend()
}

// address directs a request, which the SDK made for nowhere, to the client's site.
func (c *Client) address(request *http.Request) *http.Request {
	addressed := request.Clone(request.Context())
	addressed.Host = c.site.Host
	addressed.URL.Scheme, addressed.URL.Host = c.site.Scheme, c.site.Host
	addressed.URL.RawPath = c.site.EscapedPath() + request.URL.EscapedPath()
	addressed.URL.Path = c.site.Path + request.URL.Path
	// A site with both product catalogs answers in a mixed form without it.
	// https://apidocs.chargebee.com/docs/api/invoices/retrieve-an-invoice
	addressed.Header.Set("chargebee-response-schema-type", "items")
	if addressed.Method == http.MethodGet {
		addressed.Body = unrepeatable{}
	}
	return addressed
}

// unrepeatable is an empty body that net/http cannot get a second time. With none at
// all it would send a GET again, under the same permit, when a connection that was
// kept turns out to be dead; POSTs it leaves alone.
type unrepeatable struct{}

func (unrepeatable) Read([]byte) (int, error) { return 0, io.EOF }
func (unrepeatable) Close() error             { return nil }

const (
	connectTimeout = 5 * time.Second
	// idleTimeout is below the 60 s after which load balancers close idle
	// connections: a charge sent on one that is just being closed is in doubt.
	idleTimeout    = 30 * time.Second
	maxHeaderBytes = 256 << 10
)

// newConnections returns the transport over a network. Each call has a connection to
// itself: over HTTP/2, one that breaks would put all charges under way in doubt.
func newConnections(kept int) *http.Transport {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout:    connectTimeout,
		MaxIdleConnsPerHost:    kept,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		Protocols:              protocols,
	}
}
