package webhook

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"
)

const (
	headerTimeout  = 5 * time.Second // to read the header of a request
	writeTimeout   = 5 * time.Second // to write a response of a few hundred bytes
	maxHeaderBytes = 16 << 10

	connectionsPerRequest = 2 // the limit of connections is a multiple of MaxInFlight
)

// Server is the HTTP server for webhooks. All fields are required.
type Server struct {
	Handler       *Handler
	ShutdownDelay time.Duration // from Stop to closing the listener
	IdleTimeout   time.Duration // of a connection without a request
	ErrorLog      *log.Logger   // for errors of connections
	Evicted       func()        // called when an idle connection is closed in favor of a new one

	server *http.Server
}

// Start listens on addr and calls Serve. It returns the address of the listener.
func (s *Server) Start(ctx context.Context, addr string, failed chan<- error) (net.Addr, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	s.Serve(listener, failed)
	return listener.Addr(), nil
}

// Serve starts a goroutine that serves on the listener until Stop, and returns. If serving fails, the
// goroutine sends the error to failed. The number of connections is limited (see limitListener).
func (s *Server) Serve(listener net.Listener, failed chan<- error) {
	limited := newLimitListener(listener, connectionsPerRequest*s.Handler.config.MaxInFlight, s.Evicted)
	s.server = HTTPServer(s.Handler, s.Handler.config.RequestTimeout)
	s.server.IdleTimeout = s.IdleTimeout
	s.server.ConnState = limited.onConnState
	s.server.ErrorLog = s.ErrorLog
	go func() {
		if err := s.server.Serve(limited); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("webhook listener: %w", err)
		}
	}()
}

// HTTPServer returns a server with the timeouts of the receiver. requestTimeout is the time to
// read the body and enqueue the event.
func HTTPServer(handler http.Handler, requestTimeout time.Duration) *http.Server {
	return &http.Server{
		Handler:                      handler,
		ReadHeaderTimeout:            headerTimeout,
		ReadTimeout:                  headerTimeout + requestTimeout,
		WriteTimeout:                 headerTimeout + requestTimeout + writeTimeout,
		MaxHeaderBytes:               maxHeaderBytes,
		DisableGeneralOptionsHandler: true, // it would answer "OPTIONS *" with 200
	}
}

// StopTimeout returns the maximum duration of Stop: after it, all requests have reached their timeouts.
func (s *Server) StopTimeout() time.Duration {
	return s.ShutdownDelay + headerTimeout + s.Handler.config.RequestTimeout + writeTimeout
}

// Stop continues to serve for ShutdownDelay, so that load balancers see the failing readiness
// probe. Then it closes the listener and waits for the requests in flight. When ctx ends, it
// closes their connections and returns an error.
func (s *Server) Stop(ctx context.Context) error {
	s.Handler.Drain()
	delay := time.NewTimer(s.ShutdownDelay)
	defer delay.Stop()
	select {
	case <-delay.C:
	case <-ctx.Done():
	}
	s.Handler.Close()
	if err := s.server.Shutdown(ctx); err != nil {
		return errors.Join(err, s.server.Close())
	}
	return nil
}
