package webhook_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/webhook"
)

// TestServer_EvictsIdleConnections: idle connections of clients without credentials do not keep a webhook
// from being answered.
func TestServer_EvictsIdleConnections(t *testing.T) {
	t.Parallel()
	const maxInFlight, idle = 10, 25
	evicted := make(chan struct{}, idle)
	dial := serve(t, &webhook.Server{IdleTimeout: time.Minute, Evicted: func() { evicted <- struct{}{} }}, maxInFlight)
	var conns []net.Conn // a connection without a reference may be closed by the garbage collector
	for range idle {
		conn := dial()
		conns = append(conns, conn)
		request(t, conn)
		if !answered(conn, time.Second) {
			t.Fatal("a client was not answered, although other connections are idle")
		}
	}
	if got, want := len(evicted), idle-2*maxInFlight; got != want {
		t.Errorf("%d connections were evicted, want %d", got, want)
	}
	conn := dial()
	request(t, conn)
	if !answered(conn, time.Second) {
		t.Error("the webhook was not answered")
	}
	runtime.KeepAlive(conns)
}

// TestServer_LimitsConnections: without idle connections, a new one waits until one ends.
func TestServer_LimitsConnections(t *testing.T) {
	t.Parallel()
	dial := serve(t, &webhook.Server{IdleTimeout: time.Minute, Evicted: func() {}}, 1)
	first, second, third := dial(), dial(), dial()
	for _, conn := range []net.Conn{first, second} { // the header is incomplete: not idle
		if _, err := fmt.Fprint(conn, "GET /nothing HTTP/1.1\r\nHost: x\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	request(t, third)
	if answered(third, 100*time.Millisecond) {
		t.Error("the third was answered, although the limit is two")
	}
	_ = first.Close()
	if !answered(third, 5*time.Second) {
		t.Error("the third was not answered after the first ended")
	}
	_, _ = second.Close(), third.Close()
}

// serve starts a server, and returns a function that connects to it.
func serve(t *testing.T, server *webhook.Server, maxInFlight int) (dial func() net.Conn) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server.Handler = webhook.NewHandler(webhook.Config{
		Observer: noObserver{}, Now: time.Now, MaxInFlight: maxInFlight, MaxInFlightBytes: 1 << 20, MaxBodyBytes: 1 << 20, RequestTimeout: time.Second,
	})
	server.ShutdownDelay = time.Millisecond
	server.Serve(listener, make(chan error, 1))
	t.Cleanup(func() {
		if err := server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return func() net.Conn {
		t.Helper()
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
}

func request(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := fmt.Fprintf(conn, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
}

func answered(conn net.Conn, within time.Duration) bool {
	_ = conn.SetReadDeadline(time.Now().Add(within))
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusNotFound
}
