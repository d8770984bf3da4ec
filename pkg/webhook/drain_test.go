package webhook_test

import (
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

	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/webhook"
)

// TestServer_StopBehindBalancer: a balancer that sends no requests from just before the end of the shutdown
// delay gets no error, whether its connections are kept or not.
func TestServer_StopBehindBalancer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const (
			interval      = 5 * time.Millisecond // 200 requests per second
			beforeStop    = 2 * time.Second
			shutdownDelay = 5 * time.Second
			deregistered  = shutdownDelay - 2*interval // after Stop, when the probe begins to fail
		)
		handler := webhook.NewHandler(webhook.Config{
			Queue: slowQueue{}, Observer: noObserver{}, Now: time.Now, AllowUnauthenticated: true,
			MaxInFlight: 100, MaxInFlightBytes: 100 * maxBody, MaxBodyBytes: maxBody, RequestTimeout: 5 * time.Second,
		})
		server := &webhook.Server{Handler: handler, ShutdownDelay: shutdownDelay, IdleTimeout: time.Minute, Evicted: func() {}, ErrorLog: log.New(io.Discard, "", 0)}
		listener := pipes{clients: make(chan net.Conn), closed: make(chan struct{})}
		failed := make(chan error, 1)
		server.Serve(listener, failed)
		kept := &http.Client{Transport: &http.Transport{DialContext: listener.dial, MaxIdleConnsPerHost: 100}}
		single := &http.Client{Transport: &http.Transport{DialContext: listener.dial, DisableKeepAlives: true}}

		var requests sync.WaitGroup
		body := pendingInvoice(t)
		send := func(client *http.Client) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://receiver"+webhook.Path, strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			request.Header.Set("Content-Type", "application/json")
			response, err := client.Do(request)
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			if response.StatusCode != http.StatusOK {
				t.Errorf("answered %s", response.Status)
			}
		}
		sendFor := func(duration time.Duration) {
			for number := range int(duration / interval) {
				requests.Go(func() { send([]*http.Client{kept, single}[number%2]) })
				time.Sleep(interval)
			}
		}

		sendFor(beforeStop)
		stopped := make(chan error, 1)
		go func() { stopped <- server.Stop(t.Context()) }()
		sendFor(deregistered)
		if !handler.Draining() {
			t.Error("the readiness probe does not fail")
		}
		requests.Wait()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if _, err := listener.dial(t.Context(), "", ""); err == nil {
			t.Error("a connection was accepted after the shutdown delay")
		}
		kept.CloseIdleConnections()
		select {
		case err := <-failed:
			t.Error(err)
		default:
		}
	})
}

// slowQueue takes 50 ms for each message.
type slowQueue struct{}

func (slowQueue) Send(context.Context, queue.Message) (string, error) {
	time.Sleep(50 * time.Millisecond)
	return "message-1", nil
}

// dial connects to the server of the listener.
func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.clients <- server:
		return client, nil
	case <-p.closed:
		return nil, errors.New("connection refused")
	}
}
