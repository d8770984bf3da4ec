package conformance

import (
	"io"
	"net/http"
)

// PlainBodies hides that the bodies of an SDK's requests can write themselves: net/http
// gives a connection up, with whatever is on it, when the SDK closes such a body while
// it looks whether more comes. The product does the same; package awsclient tells more.
type PlainBodies struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (p PlainBodies) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Body != nil {
		request = request.Clone(request.Context())
		request.Body = struct{ io.ReadCloser }{request.Body}
	}
	return p.RoundTripper.RoundTrip(request)
}
