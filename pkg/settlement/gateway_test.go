package settlement_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
)

// once strikes the n-th call of an operation.
func once(operation string, n int, fault sandbox.Fault) sandbox.Faults {
	calls := 0
	return sandbox.FaultFunc(func(called string) sandbox.Fault {
		if called != operation {
			return sandbox.Fault{}
		}
		if calls++; calls == n {
			return fault
		}
		return sandbox.Fault{}
	})
}

// at calls do once, when the n-th call of an operation arrives and before it has an
// effect.
func at(operation string, n int, do func()) sandbox.Faults {
	calls := 0
	return sandbox.FaultFunc(func(called string) sandbox.Fault {
		if called == operation {
			if calls++; calls == n {
				do()
			}
		}
		return sandbox.Fault{}
	})
}

// siteFaults are the faults of a site, and what else happens when a call arrives there.
type siteFaults struct {
	own       sandbox.Faults // may be nil
	meanwhile []sandbox.Faults
}

func (f *siteFaults) Next(operation string) sandbox.Fault {
	for _, happening := range f.meanwhile {
		happening.Next(operation)
	}
	if f.own == nil {
		return sandbox.Fault{}
	}
	return f.own.Next(operation)
}

// meanwhile does something once, when the n-th call of an operation from now on arrives
// and before it has an effect.
func (f *fixture) meanwhile(operation string, n int, do func() error) {
	f.faults.meanwhile = append(f.faults.meanwhile, at(operation, n, func() {
		if err := do(); err != nil {
			f.t.Error(err)
		}
	}))
}

// gateway is between all settlers of a fixture and Chargebee, and answers some calls
// itself.
type gateway struct {
	canned []*canned
	given  []time.Time // when it gave canned answers
}

// canned is an answer that needs no Chargebee.
type canned struct {
	to    string    // the end of the paths of the calls that get it
	query string    // part of their query
	words string    // the answer, as reply takes it
	after int       // number of these calls that pass before
	times int       // how often it is given; 0: every time
	until time.Time // zero: until the gateway is stopped
}

// answer lets calls be answered so from now on.
func (g *gateway) answer(with canned) {
	g.canned = append(g.canned, &with)
	g.given = nil
}

// stop lets everything pass again.
func (g *gateway) stop() { g.canned = nil }

func (g *gateway) wrap(transport http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		for _, answer := range g.canned {
			if answer.takes(request) {
				g.given = append(g.given, time.Now())
				return reply(request, transport, answer.words)
			}
		}
		return transport.RoundTrip(request)
	})
}

// hiddenList shows no invoice in the customer's list.
var hiddenList = canned{to: "/invoices", words: "200 with an empty list"}

// takes reports whether the request gets the answer.
func (c *canned) takes(request *http.Request) bool {
	switch {
	case !strings.HasSuffix(request.URL.Path, c.to), !strings.Contains(request.URL.RawQuery, c.query), !c.until.IsZero() && !time.Now().Before(c.until):
		return false
	case c.after > 0:
		c.after--
		return false
	case c.times > 0:
		if c.times--; c.times == 0 {
			c.times = -1
		}
		return true
	default:
		return c.times == 0
	}
}

// reply answers a request in words: an HTTP status with the type and code of an error or
// with HTML, or how the connection fails; and what is special about it, after commas.
func reply(request *http.Request, transport http.RoundTripper, words string) (*http.Response, error) {
	what, special, _ := strings.Cut(words, ", ")
	var effect *http.Response
	if special == "after the effect" {
		response, err := transport.RoundTrip(request)
		if err != nil {
			return nil, err
		}
		effect = response
	}
	switch what {
	case "connection cut":
		return nil, errCrashed
	case "connection refused":
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case "no such host":
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: request.URL.Host, IsNotFound: true}}
	case "no answer within 30 s":
		<-request.Context().Done()
		return nil, request.Context().Err()
	case "200 half an answer":
		body, err := io.ReadAll(effect.Body)
		effect.Body = io.NopCloser(io.MultiReader(strings.NewReader(string(body[:len(body)/2])), brokenOff{}))
		return effect, err
	}

	recorder := httptest.NewRecorder()
	if seconds, ok := strings.CutPrefix(special, "Retry-After "); ok {
		recorder.Header().Set("Retry-After", seconds)
	}
	if special == "replayed" {
		recorder.Header().Set("chargebee-idempotency-replayed", "true")
	}
	status, rest, _ := strings.Cut(what, " ")
	code, err := strconv.Atoi(status)
	if err != nil {
		panic("no answer: " + words)
	}
	kind, body := "application/json", "{}"
	switch kinds := strings.Fields(rest); {
	case rest == "HTML":
		kind, body = "text/html", "<html><h1>"+http.StatusText(code)+"</h1></html>"
	case rest == "without an invoice":
	case rest == "with an empty list":
		body = `{"list":[]}`
	case len(kinds) == 2:
		encoded, _ := json.Marshal(map[string]any{
			"message": "Please try after some time", "type": kinds[0], "api_error_code": kinds[1], "error_code": kinds[1], "http_status_code": code,
		})
		body = string(encoded)
	default:
		panic("no answer: " + words)
	}
	recorder.Header().Set("Content-Type", kind)
	recorder.WriteHeader(code)
	_, _ = recorder.WriteString(body)
	return recorder.Result(), nil
}

// brokenOff ends a body in the middle.
type brokenOff struct{}

func (brokenOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
