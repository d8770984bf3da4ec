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
	headerTimeout  = 5 * time.Second // for the header of a request
	writeTimeout   = 5 * time.Second // for an answer, which is a few hundred bytes
	idleTimeout    = 2 * time.Minute // longer than load balancers keep a connection, so that they close it
	maxHeaderBytes = 16 << 10

	connectionsPerRequest = 2 // in flight at most
)

// Server serves webhooks on a listener. All fields are required.
type Server struct {
	Handler       *Handler
	ShutdownDelay time.Duration // from Stop to no longer accepting
	ErrorLog      *log.Logger   // what goes wrong with connections

	server *http.Server
}

// Start listens on addr and serves until Stop. Errors after the start go to failed.
func (s *Server) Start(ctx context.Context, addr string, failed chan<- error) (net.Addr, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	s.Serve(listener, failed)
	return listener.Addr(), nil
}

// Serve serves on the listener until Stop, and returns at once. It has two connections open
// for each request that may be in flight; further ones wait to be taken.
func (s *Server) Serve(listener net.Listener, failed chan<- error) {
	limited := limit(listener, connectionsPerRequest*s.Handler.config.MaxInFlight)
	s.server = HTTPServer(s.Handler, s.Handler.config.RequestTimeout)
	s.server.ConnState = limited.changed
	s.server.ErrorLog = s.ErrorLog
	go func() {
		if err := s.server.Serve(limited); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("webhook listener: %w", err)
		}
	}()
}

// HTTPServer is a server that cuts slow clients as the receiver's does. A request may take
// so long from its body's first byte to the answer.
func HTTPServer(handler http.Handler, requestTimeout time.Duration) *http.Server {
	return &http.Server{
		Handler:                      handler,
		ReadHeaderTimeout:            headerTimeout,
		ReadTimeout:                  headerTimeout + requestTimeout,
		WriteTimeout:                 headerTimeout + requestTimeout + writeTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeaderBytes,
		DisableGeneralOptionsHandler: true, // "OPTIONS *" has no path that is served
	}
}

// StopLimit is the longest that Stop takes if nothing goes wrong.
func (s *Server) StopLimit() time.Duration {
	return s.ShutdownDelay + headerTimeout + s.Handler.config.RequestTimeout + writeTimeout
}

// Stop goes on serving for the drain pause, in which load balancers notice that the
// process is no longer ready; then it accepts no further connections and waits for the
// requests in flight. When ctx ends it cuts them.
func (s *Server) Stop(ctx context.Context) error {
	s.Handler.Drain()
	pause := time.NewTimer(s.ShutdownDelay)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
	}
	s.Handler.Close()
	if err := s.server.Shutdown(ctx); err != nil {
		return errors.Join(err, s.server.Close())
	}
	return nil
}
