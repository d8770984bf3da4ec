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

// installTransport makes the SDK use transport. The SDK reads its HTTP client from a package variable without
// synchronization. So install sets the variable once, before any call, and transport finds everything
// that differs between calls in their contexts.
var installTransport = sync.OnceFunc(func() {
	chargebee.WithHTTPClient(&http.Client{
		Transport: transport{},
		// Not 0, which the SDK replaces by 80 s. The context of a call has the timeout instead.
		Timeout: -1,
	})
})

var (
	errNoClient    = errors.New("chargebeeapi: the request belongs to no call of a Client")
	errAlreadySent = errors.New("chargebeeapi: the request of this call was already sent")
)

// transport sends the requests of the SDK.
type transport struct{}

// RoundTrip implements http.RoundTripper. It refuses a request that belongs to no call of a
// Client, because such a request has no permit.
func (transport) RoundTrip(req *http.Request) (*http.Response, error) {
	exchange, ok := req.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		return nil, reject(req, errNoClient)
	}
	return exchange.roundTrip(req)
}

// reject closes the body of a request that is not sent, and returns err.
func reject(req *http.Request, err error) error {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	return err
}

type exchangeKey struct{}

// exchange is the state of one call while the SDK executes it. One goroutine uses it.
type exchange struct {
	client *Client
	permit *ratelimit.Permit

	method   string   // of the request that was sent; empty if none was sent yet
	unsent   error    // the reason if precheck refused the request
	err      error    // the reason if sending failed or the response is incomplete
	response response // perhaps a part of it
}

// roundTrip sends the first request of a call and stores the response. It refuses further requests.
func (e *exchange) roundTrip(req *http.Request) (*http.Response, error) {
	if e.method != "" { // a redirect or a retry by the SDK
		return nil, reject(req, errAlreadySent)
	}
	if e.unsent = e.precheck(req.Context()); e.unsent != nil {
		return nil, reject(req, e.unsent)
	}
	e.method = req.Method
	resp, err := e.client.config.Transport.RoundTrip(e.client.rewrite(req))
	if err == nil {
		e.response, err = readResponse(resp)
	}
	if err != nil {
		e.err = err
		return nil, err
	}
	// The SDK gets an empty response: its result is not used, and to decode an invoice of many lines
	// would take the SDK several times as long as reading the response.
	resp.Body = io.NopCloser(strings.NewReader(emptyBody))
	resp.ContentLength = int64(len(emptyBody))
	return resp, nil
}

// emptyBody is valid as the response to any call. On a list call without a list, the SDK would panic.
const emptyBody = `{"list":[]}`

// precheck, called immediately before a request is sent, returns an error if it must not be sent.
func (e *exchange) precheck(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return e.permit.Spend()
}

// rewrite returns a copy of a request of the SDK, with the site of the client instead of the placeholder host.
func (c *Client) rewrite(req *http.Request) *http.Request {
	rewritten := req.Clone(req.Context())
	rewritten.Host = c.base.Host
	rewritten.URL.Scheme, rewritten.URL.Host = c.base.Scheme, c.base.Host
	rewritten.URL.RawPath = c.base.EscapedPath() + req.URL.EscapedPath()
	rewritten.URL.Path = c.base.Path + req.URL.Path
	// Without this header, a site with both product catalogs returns a mixed form.
	// https://apidocs.chargebee.com/docs/api/invoices/retrieve-an-invoice
	rewritten.Header.Set("chargebee-response-schema-type", "items")
	if rewritten.Method == http.MethodGet {
		rewritten.Body = noReplayBody{}
	}
	return rewritten
}

// noReplayBody is an empty body that net/http cannot send a second time. Without a body, net/http would
// repeat a GET under the same permit if an idle connection turned out to be closed. It does not repeat a
// POST of which it has written anything.
type noReplayBody struct{}

func (noReplayBody) Read([]byte) (int, error) { return 0, io.EOF }
func (noReplayBody) Close() error             { return nil }

const (
	connectTimeout = 5 * time.Second
	// idleTimeout is below the 60 s after which load balancers close idle connections. If a load
	// balancer closes a connection while a charge is sent on it, the charge is in doubt.
	idleTimeout    = 30 * time.Second
	maxHeaderBytes = 256 << 10
)

// newHTTPTransport returns a transport for HTTP/1.1 only: if concurrent charges shared a connection of
// HTTP/2, and it broke, they would all be in doubt.
func newHTTPTransport(maxIdle int) *http.Transport {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout:    connectTimeout,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		Protocols:              protocols,
	}
}
