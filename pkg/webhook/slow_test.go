package webhook_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/webhook"
)

// pipes is a listener without a network, so that time can be virtual.
type pipes struct {
	clients chan net.Conn
	closed  chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case connection := <-p.clients:
		return connection, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error {
	close(p.closed)
	return nil
}

func (pipes) Addr() net.Addr { return &net.UnixAddr{} }

// A client that takes its time, whichever way, costs its connection no more than the time
// that is allowed, and is answered where it can still be.
func TestServer_SlowClients(t *testing.T) {
	t.Parallel()
	const (
		header  = 5 * time.Second
		request = 5 * time.Second
	)
	anonymous := strings.Replace(head, "Basic", "Other", 1)
	for name, test := range map[string]struct {
		at     string // sent at once
		drip   string // sent a byte a second, over and over
		status int    // of the one answer; 0: none
		after  time.Duration
	}{
		"says nothing":                     {"", "", 0, header},
		"a request line a byte a second":   {"", head, http.StatusBadRequest, header}, // net/http takes for a line what is there
		"headers a byte a second":          {head, "X: yyyyyyyy\r\n", 0, header},
		"a body a byte a second":           {head + "Content-Length: 1000\r\n\r\n", "x", http.StatusServiceUnavailable, request},
		"a chunk a byte a second":          {head + "Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", http.StatusServiceUnavailable, request},
		"an unwanted body a byte a second": {anonymous + "Content-Length: 1000\r\n\r\n", "x", http.StatusUnauthorized, 250 * time.Millisecond},
		"a body after 100-continue":        {head + "Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n", "x", http.StatusServiceUnavailable, request},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client := slowServer(t)
				started := time.Now()
				var sending sync.WaitGroup
				sending.Go(func() {
					if _, err := io.WriteString(client, test.at); err != nil || test.drip == "" {
						return
					}
					time.Sleep(time.Second / 2) // never at the same moment as a deadline
					for i := 0; ; i++ {
						if _, err := io.WriteString(client, test.drip[i%len(test.drip):][:1]); err != nil {
							return
						}
						time.Sleep(time.Second)
					}
				})
				answers := readAnswers{bufio.NewReader(client), test.at}
				got, err := answers.next()
				if got.status != test.status || (err == nil) != (test.status != 0) || time.Since(started) != test.after {
					t.Errorf("answered %d after %s: %v", got.status, time.Since(started), err)
				}
				if _, err := answers.next(); !errors.Is(err, io.EOF) || time.Since(started) > test.after+time.Second {
					t.Errorf("the connection ended after %s: %v", time.Since(started), err)
				}
				_ = client.Close()
				sending.Wait()
			})
		})
	}
}

func TestServer_ClosesIdleConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := slowServer(t)
		answers := readAnswers{bufio.NewReader(client), ""}
		for _, pause := range []time.Duration{0, time.Minute, 119 * time.Second} {
			time.Sleep(pause)
			if _, err := io.WriteString(client, sized(event)); err != nil {
				t.Fatal(err)
			}
			if got, err := answers.next(); err != nil || got.status != http.StatusOK {
				t.Fatalf("after %s: answered %d, %v", pause, got.status, err)
			}
		}
		answered := time.Now()
		if _, err := answers.next(); !errors.Is(err, io.EOF) || time.Since(answered) != 2*time.Minute {
			t.Errorf("ended after %s: %v", time.Since(answered), err)
		}
	})
}

// A client that does not take its answer holds no slot, and loses its connection.
func TestServer_UnreadResponse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := slowServer(t)
		if _, err := io.WriteString(client, sized(event)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15*time.Second + time.Millisecond)
		if got, err := io.ReadAll(client); err != nil || len(got) != 0 {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

// slowServer returns a connection to a server that takes one request at a time.
func slowServer(t *testing.T) (client net.Conn) {
	t.Helper()
	handler := webhook.NewHandler(webhook.Config{
		Queue: instantQueue{}, Observer: noObserver{}, Now: time.Now,
		Credentials: []webhook.Credentials{{Username: "previous", Password: "before"}},
		MaxInFlight: 1, MaxInFlightBytes: maxBody, MaxBodyBytes: maxBody, RequestTimeout: 5 * time.Second,
	})
	server := &webhook.Server{Handler: handler, ShutdownDelay: time.Millisecond, IdleTimeout: 2 * time.Minute, Evicted: func() {}, ErrorLog: log.New(io.Discard, "", 0)}
	listener := pipes{clients: make(chan net.Conn), closed: make(chan struct{})}
	failed := make(chan error, 1)
	server.Serve(listener, failed)
	client, accepted := net.Pipe()
	listener.clients <- accepted
	t.Cleanup(func() {
		if handler.InFlight() != 0 {
			t.Errorf("%d requests in flight", handler.InFlight())
		}
		_ = client.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		select {
		case err := <-failed:
			t.Error(err)
		default:
		}
	})
	return client
}
