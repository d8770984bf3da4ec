package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/billable-events/billable/pkg/lifecycle"
)

// Probe returns nil or why a check fails, within about a second.
type Probe func() error

const (
	adminHeaderTimeout = 5 * time.Second // to read the header of a request
	adminStopTimeout   = 5 * time.Second
)

// Admin serves probes and metrics on a listener of its own, which no limit of the webhook listener affects.
type Admin struct {
	Live     Probe // for /livez
	Ready    Probe // for /readyz
	Registry *prometheus.Registry
	Pprof    bool // serve /debug/pprof

	Addr   net.Addr // set by the Start of Component
	server *http.Server
}

// Start listens on addr and serves until Stop. If serving fails later, it sends the error to failed.
func (a *Admin) Start(ctx context.Context, addr string, failed chan<- error) (net.Addr, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	a.server = &http.Server{
		Handler:           a.Handler(),
		ReadHeaderTimeout: adminHeaderTimeout,
		IdleTimeout:       time.Minute,
	}
	go func() {
		if err := a.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("admin listener: %w", err)
		}
	}()
	return listener.Addr(), nil
}

// Stop closes the listener and waits for requests in flight.
func (a *Admin) Stop(ctx context.Context) error { return a.server.Shutdown(ctx) }

// Component returns a component that calls Start and Stop, and sets Addr.
func (a *Admin) Component(addr string, failed chan<- error) lifecycle.Component {
	return lifecycle.Component{
		Name: "admin listener",
		Start: func(ctx context.Context) (err error) {
			a.Addr, err = a.Start(ctx, addr, failed)
			return err
		},
		Stop:        a.Stop,
		StopTimeout: adminStopTimeout,
	}
}

// Handler serves /livez, /readyz, /metrics and, if enabled, /debug/pprof.
func (a *Admin) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /livez", probeHandler(a.Live))
	mux.Handle("GET /readyz", probeHandler(a.Ready))
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.Registry, promhttp.HandlerOpts{}))
	if a.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// probeHandler responds 200 or, with the reason, 503.
func probeHandler(check Probe) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		response := struct {
			Status string `json:"status"`
			Reason string `json:"reason,omitempty"`
		}{Status: "ok"}
		status := http.StatusOK
		if err := check(); err != nil {
			response.Status, response.Reason, status = "unavailable", err.Error(), http.StatusServiceUnavailable
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(response) // fails if the client has gone
	})
}
