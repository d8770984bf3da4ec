package webhook_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/webhook"
)

// TestServer_LimitsConnections for a place until others have ended; none is lost.
func TestServer_LimitsConnections(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	handler := webhook.NewHandler(webhook.Config{
		Observer: noObserver{}, Now: time.Now, MaxInFlight: 1, MaxInFlightBytes: 1 << 20, MaxBodyBytes: 1 << 20, RequestTimeout: time.Second,
	})
	server := &webhook.Server{Handler: handler, ShutdownDelay: time.Millisecond}
	server.Serve(listener, make(chan error, 1))
	defer func() {
		if err := server.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	dial := func() net.Conn {
		t.Helper()
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	ask := func(conn net.Conn) {
		t.Helper()
		if _, err := fmt.Fprintf(conn, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	answered := func(conn net.Conn, within time.Duration) bool {
		t.Helper()
		_ = conn.SetReadDeadline(time.Now().Add(within))
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusNotFound
	}
	first, second, third := dial(), dial(), dial()
	for _, conn := range []net.Conn{first, second} {
		ask(conn)
		if !answered(conn, 5*time.Second) {
			t.Fatal("there is a place for it, and no answer")
		}
	}
	ask(third)
	if answered(third, 100*time.Millisecond) {
		t.Error("the third was answered, although there are places for two")
	}
	_ = first.Close()
	if !answered(third, 5*time.Second) {
		t.Error("the third got no answer when there was a place")
	}
	_, _ = second.Close(), third.Close()
}
