package chargebeeapi_test

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/chargebeeapi"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/ratelimit/ratelimittest"
)

// With a permit that is expired or spent, nothing is sent, and the error is not a billing.Failure.
func TestClient_SpentPermit(t *testing.T) {
	t.Parallel()
	requests := 0
	client := newClient(t, chargebeeapi.Config{
		Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			requests++
			return nil, errors.New("no")
		}),
		Observe: func(_ context.Context, o chargebeeapi.Observation) { t.Errorf("observed %+v", o) },
	})
	used := permit()
	if err := used.Spend(); err != nil {
		t.Fatal(err)
	}
	now := instant
	old := ratelimittest.Permit(func() time.Time { return now })
	now = now.Add(time.Second)
	for name, spent := range map[string]*ratelimit.Permit{
		"used": used, "old": old,
	} {
		each(t.Context(), client, func() *ratelimit.Permit { return spent }, func(operation string, err error) {
			var failure *billing.Failure
			if !errors.Is(err, ratelimit.ErrExpired) || errors.As(err, &failure) || !strings.Contains(err.Error(), operation) || requests != 0 {
				t.Errorf("%s, %s: %d requests: %v", name, operation, requests, err)
			}
		})
	}
}

func TestClient_SpendsPermitBeforeRequest(t *testing.T) {
	t.Parallel()
	last := permit()
	client := newClient(t, chargebeeapi.Config{
		Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			if last.Spend() == nil {
				t.Error("the request leaves before its permit is spent")
			}
			return nil, errors.New("no")
		}),
	})
	_, err := client.AddCharge(t.Context(), last, charge("draft_1"))
	failureOf(t, err)
}

// With an ended context, nothing is sent and no permit is spent. The cause is returned.
func TestClient_EndedContext(t *testing.T) {
	t.Parallel()
	client := newClient(t, chargebeeapi.Config{
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			t.Errorf("%s was sent", r.URL)
			return nil, errors.New("no")
		}),
		Observe: func(_ context.Context, o chargebeeapi.Observation) { t.Errorf("observed %+v", o) },
	})
	leaseLost := errors.New("lease lost")
	canceled, cancel := context.WithCancelCause(t.Context())
	cancel(leaseLost)
	expired, release := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer release()
	for _, test := range []struct {
		ctx  context.Context
		want error
	}{{canceled, leaseLost}, {expired, context.DeadlineExceeded}} {
		unspent := permit()
		each(test.ctx, client, func() *ratelimit.Permit { return unspent }, func(operation string, err error) {
			var failure *billing.Failure
			if !errors.Is(err, test.want) || errors.As(err, &failure) {
				t.Errorf("%s: %v, want %v", operation, err, test.want)
			}
		})
		if unspent.Spend() != nil {
			t.Error("the permit was spent")
		}
	}
}

// A request that was sent is in doubt if the context ends or the call times out, before its
// response or within it.
func TestClient_Timeout(t *testing.T) {
	t.Parallel()
	hang := func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, context.Cause(r.Context())
	}
	halfway := func(r *http.Request) (*http.Response, error) {
		rest, writer := io.Pipe()
		context.AfterFunc(r.Context(), func() { _ = writer.CloseWithError(r.Context().Err()) })
		body := struct {
			io.Reader
			io.Closer
		}{io.MultiReader(strings.NewReader(invoiceJSON[:20]), rest), rest}
		return &http.Response{StatusCode: http.StatusOK, Body: body, ContentLength: int64(len(invoiceJSON))}, nil
	}
	for name, test := range map[string]struct {
		transport roundTripper
		config    time.Duration
		context   time.Duration
		want      time.Duration
		status    int
	}{
		"default":      {hang, 0, time.Hour, 30 * time.Second, 0},
		"call":         {hang, 7 * time.Second, time.Hour, 7 * time.Second, 0},
		"context":      {hang, 0, 3 * time.Second, 3 * time.Second, 0},
		"half, call":   {halfway, 7 * time.Second, time.Hour, 7 * time.Second, 200},
		"half, caller": {halfway, 0, 3 * time.Second, 3 * time.Second, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client := newClient(t, chargebeeapi.Config{Transport: test.transport, CallTimeout: test.config})
				ctx, cancel := context.WithTimeout(t.Context(), test.context)
				defer cancel()
				began := time.Now()
				_, err := client.AddCharge(ctx, permit(), charge("draft_1"))
				failure := failureOf(t, err)
				if failure.Kind != billing.Unknown || failure.Status != test.status || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v", err)
				}
				if took := time.Since(began); took != test.want {
					t.Errorf("it took %s, want %s", took, test.want)
				}
			})
		})
	}
}

// Without a connection nothing was sent; after any other connection error the call is in doubt.
func TestClient_ConnectionErrors(t *testing.T) {
	t.Parallel()
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	for name, test := range map[string]struct {
		err  error
		want billing.Kind
	}{
		"refused":             {refused, billing.Transient},
		"refused, wrapped":    {fmt.Errorf("send: %w", refused), billing.Transient},
		"refused, bare":       {syscall.ECONNREFUSED, billing.Transient},
		"no route":            {&net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}, billing.Transient},
		"proxy refused":       {&net.OpError{Op: "proxyconnect", Err: refused}, billing.Transient},
		"no such host":        {&net.DNSError{Err: "no such host", IsNotFound: true}, billing.Transient},
		"reset while reading": {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, billing.Unknown},
		"broken while sent":   {&net.OpError{Op: "write", Err: syscall.EPIPE}, billing.Unknown},
		"closed":              {io.EOF, billing.Unknown},
		"cut":                 {io.ErrUnexpectedEOF, billing.Unknown},
		"timeout":             {context.DeadlineExceeded, billing.Unknown},
		"canceled":            {context.Canceled, billing.Unknown},
		"anything":            {errors.New("tls: handshake failure"), billing.Unknown},
	} {
		client := newClient(t, chargebeeapi.Config{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, test.err })})
		each(t.Context(), client, permit, func(operation string, err error) {
			failure := failureOf(t, err)
			if failure.Kind != test.want || failure.Status != 0 || !errors.Is(err, test.err) || failure.Message != test.err.Error() {
				t.Errorf("%s, %s: %+v, want %s", name, operation, failure, test.want)
			}
		})
	}
}

func TestClient_ClosedPort(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	client := newClient(t, chargebeeapi.Config{BaseURL: "http://" + address})
	_, err = client.AddCharge(t.Context(), permit(), charge("draft_1"))
	failure := failureOf(t, err)
	if failure.Kind != billing.Transient || failure.Status != 0 || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%+v", failure)
	}
	if strings.Contains(failure.Error(), "draft_1") || strings.Contains(failure.Error(), "invalid") {
		t.Errorf("the error shows the SDK's address: %v", failure)
	}
}

// net/http retries a GET if a kept connection turns out to be closed. Here each permit allows one
// request, for every operation.
func TestClient_ClosedConnection(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	var cut atomic.Bool
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		if r.Method == http.MethodGet && (r.ContentLength != 0 || len(r.TransferEncoding) > 0) {
			t.Errorf("the GET has a body: length %d, encoding %v", r.ContentLength, r.TransferEncoding)
		}
		if cut.Load() {
			connection, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_ = connection.Close()
			return
		}
		respond(http.StatusOK, "application/json", `{"list":[],"invoice":{"id":"1"}}`)(w, r)
	})
	read := func() error {
		_, err := client.Invoice(t.Context(), permit(), billing.LinePage{InvoiceID: "draft_1"})
		return err
	}
	for range 2 * 4 {
		cut.Store(false)
		if err := read(); err != nil { // leaves a connection to be used again
			t.Fatal(err)
		}
		cut.Store(true)
		requests.Store(0)
		failure := failureOf(t, read())
		if failure.Kind != billing.Unknown || requests.Load() != 1 {
			t.Errorf("%d requests: %v", requests.Load(), failure)
		}
	}
	each(t.Context(), client, permit, func(operation string, err error) {
		if failure := failureOf(t, err); failure.Kind != billing.Unknown {
			t.Errorf("%s: %+v", operation, failure)
		}
	})
}

// The maximum size applies to the decompressed response.
func TestClient_Compression(t *testing.T) {
	t.Parallel()
	const most = 8 << 20
	for padding, ok := range map[int]bool{0: true, most - len(invoiceJSON): true, most: false} {
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept-Encoding") != "gzip" {
				t.Errorf("accepted: %q", r.Header.Get("Accept-Encoding"))
			}
			w.Header().Set("Content-Encoding", "gzip")
			packer := gzip.NewWriter(w)
			_, _ = packer.Write([]byte(invoiceJSON + strings.Repeat(" ", padding)))
			_ = packer.Close()
		})
		invoice, err := client.AddCharge(t.Context(), permit(), charge("draft_1"))
		if ok != (err == nil) || ok && invoice.ID != "draft_1" {
			t.Errorf("with %d bytes behind it: %+v: %v", padding, invoice, err)
		}
	}
}

// A site without a valid certificate receives no API key.
func TestClient_Certificate(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		respond(http.StatusOK, "application/json", invoiceJSON)(w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	offered := make(chan []string, 2)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		offered <- hello.SupportedProtos
		return nil, nil //nolint:nilnil // "the server's own", by contract
	}}
	server.StartTLS()
	t.Cleanup(server.Close)
	client := newClient(t, chargebeeapi.Config{BaseURL: server.URL})
	_, err := client.AddCharge(t.Context(), permit(), charge("draft_1"))
	if failure := failureOf(t, err); failure.Kind != billing.Unknown || failure.Status != 0 || requests.Load() != 0 {
		t.Errorf("%d requests: %+v", requests.Load(), failure)
	}
	if protocols := <-offered; slices.Contains(protocols, "h2") {
		t.Errorf("the client offers %v: calls would share a connection", protocols)
	}
	trusting := newClient(t, chargebeeapi.Config{BaseURL: server.URL, Transport: server.Client().Transport})
	if _, err := trusting.AddCharge(t.Context(), permit(), charge("draft_1")); err != nil {
		t.Error(err)
	}
}
