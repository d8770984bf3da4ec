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

// install makes the SDK use transport. The HTTP client of the SDK is a package variable that it
// reads without synchronization: it is set once, before any call, and everything that differs
// between calls is in their contexts.
var install = sync.OnceFunc(func() {
	chargebee.WithHTTPClient(&http.Client{
		Transport: transport{},
		// The SDK replaces zero by 80 s. The context of a call has the timeout.
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
// Client: it would be a call without a permit.
func (transport) RoundTrip(req *http.Request) (*http.Response, error) {
	exchange, ok := req.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		return nil, reject(req, errNoClient)
	}
	return exchange.roundTrip(req)
}

// reject closes a request that is not sent.
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

	method   string   // of the request that was sent; empty: none was sent yet
	unsent   error    // why nothing was sent
	err      error    // why there is no complete response
	response response // as far as it was received
}

func (e *exchange) roundTrip(req *http.Request) (*http.Response, error) {
	if e.method != "" { // a redirect or a retry by the SDK
		return nil, reject(req, errAlreadySent)
	}
	if e.unsent = e.precheck(req.Context()); e.unsent != nil {
		return nil, reject(req, e.unsent)
	}
	e.method = req.Method
	resp, err := e.client.config.Transport.RoundTrip(e.client.rewriteURL(req))
	if err == nil {
		e.response, err = readResponse(resp)
	}
	if err != nil {
		e.err = err
		return nil, err
	}
	// The result that the SDK decodes is not used, and is expensive: for an invoice of many lines
	// several times as much as reading the response. So it gets an empty one.
	resp.Body = io.NopCloser(strings.NewReader(emptyBody))
	resp.ContentLength = int64(len(emptyBody))
	return resp, nil
}

// emptyBody is valid as the response to any call. The SDK panics if a list is missing.
const emptyBody = `{"list":[]}`

// precheck reports why the request must not be sent, immediately before it is.
func (e *exchange) precheck(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return e.permit.Spend()
}

// rewriteURL replaces the placeholder host of the SDK by the site of the client.
func (c *Client) rewriteURL(req *http.Request) *http.Request {
	rewritten := req.Clone(req.Context())
	rewritten.Host = c.base.Host
	rewritten.URL.Scheme, rewritten.URL.Host = c.base.Scheme, c.base.Host
	rewritten.URL.RawPath = c.base.EscapedPath() + req.URL.EscapedPath()
	rewritten.URL.Path = c.base.Path + req.URL.Path
	// Without it, a site with both product catalogs returns a mixed form.
	// https://apidocs.chargebee.com/docs/api/invoices/retrieve-an-invoice
	rewritten.Header.Set("chargebee-response-schema-type", "items")
	if rewritten.Method == http.MethodGet {
		rewritten.Body = noReplayBody{}
	}
	return rewritten
}

// noReplayBody is an empty body that net/http cannot send a second time. Without a body, net/http
// would retry a GET under the same permit after a kept connection turned out to be closed. It
// does not retry a POST.
type noReplayBody struct{}

func (noReplayBody) Read([]byte) (int, error) { return 0, io.EOF }
func (noReplayBody) Close() error             { return nil }

const (
	connectTimeout = 5 * time.Second
	// idleTimeout is below the 60 s after which load balancers close idle connections: a charge
	// that is sent on a connection while it is closed is in doubt.
	idleTimeout    = 30 * time.Second
	maxHeaderBytes = 256 << 10
)

// newHTTPTransport returns a transport with one connection per call: a broken HTTP/2 connection
// would put all charges that share it in doubt.
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
