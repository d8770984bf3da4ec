package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/billable-events/billable/pkg/event"
	"github.com/billable-events/billable/pkg/webhook"
	"github.com/billable-events/billable/scripts/testbed"
)

// baselineCommand makes this program a baseline: a server that does less than the receiver, on echo
// and with the receiver's HTTP server.
const baselineCommand = "baseline"

// The servers, each does a little more than the one before.
const (
	readBody     = "do-nothing with body"
	validate     = "validate only"
	fullReceiver = "the full receiver"
)

var baselines = []string{readBody, validate}

// baselineTimeout is the receiver's request timeout.
const baselineTimeout = 5 * time.Second

// loadMode is a load of baselines, with the CPU that the receiver may use compared with readBody.
type loadMode struct {
	name    string
	load    load
	maximum float64
}

// compareBaselines loads all baselines and the receiver in turn, several times, so that other work on
// the machine affects all of them.
func compareBaselines(ctx context.Context, o options, r *report, rounds int, modes ...loadMode) (err error) {
	e, err := newEnv(ctx, o.binaries, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	servers, err := startBaselines(ctx, e)
	defer func() {
		for _, s := range servers {
			s.Kill()
		}
	}()
	if err != nil {
		return err
	}
	s := baselinesSection()
	r.sections = append(r.sections, s)
	for _, mode := range modes {
		if err := e.compare(ctx, mode, rounds, servers, r, s); err != nil {
			return fmt.Errorf("%s: %w", mode.name, err)
		}
	}
	return e.finish(false)
}

func baselinesSection() *section {
	return &section{
		title: "Baselines",
		text: "What a request costs servers that do less, all on echo. Saturated is a closed loop of 512 clients. The servers are loaded in turn, " +
			"several times. Ratios are to do-nothing with body in the same run.",
		labels:  []string{"load: server", "target", "result"},
		columns: []column{{"requests/s", "%.0f"}, {"200, %", "%.2f"}, {"p99, ms", "%.1f"}, {cpuPerRequest, "%.1f"}, {"ratio", "%.2f"}},
	}
}

func startBaselines(ctx context.Context, e *env) (servers []*server, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for _, name := range baselines {
		s, err := startServer(ctx, testbed.Command{Binary: self, Args: []string{baselineCommand, name}, Env: e.environ()}, nil)
		if err != nil {
			return servers, err
		}
		servers = append(servers, s)
	}
	return servers, nil
}

// compare loads the baselines and the receiver in rounds, of which the first is to warm up. Figures are
// the means of the other rounds.
func (e *env) compare(ctx context.Context, mode loadMode, rounds int, servers []*server, r *report, s *section) error {
	names, all := append(slices.Clone(baselines), fullReceiver), append(slices.Clone(servers), e.receiver)
	sums := make([]figures, len(all))
	for i := range sums {
		sums[i] = figures{}
	}
	for round := range rounds + 1 {
		for i, server := range all {
			l := mode.load
			if round == 0 {
				l.Length = warmUp
			}
			a, f, err := e.run(ctx, server, l)
			if err != nil {
				return fmt.Errorf("%s: %w", names[i], err)
			}
			if f["unanswered"] > 0 {
				return fmt.Errorf("%s: %.0f requests were not answered", names[i], f["unanswered"])
			}
			if names[i] == fullReceiver {
				e.accepted = append(e.accepted, a.Accepted...)
			}
			for figure, value := range f {
				if round > 0 {
					sums[i][figure] += value / float64(rounds)
				}
			}
		}
	}
	for i, f := range sums {
		f["ratio"] = f[cpuPerRequest] / sums[0][cpuPerRequest]
		target, met := "–", (func(figures) bool)(nil)
		if names[i] == fullReceiver {
			target, met = fmt.Sprintf("ratio ≤ %.1f", mode.maximum), func(f figures) bool { return f["ratio"] <= mode.maximum }
		}
		r.addEvaluated(s, mode.name+": "+names[i], []string{target}, f, nil, met)
	}
	return nil
}

// serveBaseline serves a baseline. It reads its settings from the same variables as a receiver.
func serveBaseline(args []string) error {
	if len(args) != 1 || !slices.Contains(baselines, args[0]) {
		return fmt.Errorf("unknown baseline %q", args)
	}
	admin := &http.Server{Addr: os.Getenv("BILLABLE_ADMIN_ADDR"), ReadHeaderTimeout: baselineTimeout, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	server := webhook.HTTPServer(baselineHandler(args[0]), baselineTimeout)
	server.Addr = os.Getenv("BILLABLE_HTTP_ADDR")
	ended := make(chan error, 2) // one from each server
	go func() { ended <- admin.ListenAndServe() }()
	go func() { ended <- server.ListenAndServe() }()
	return <-ended
}

// baselineResponse is nearly as long as the receiver's.
type baselineResponse struct {
	Status  string `json:"status"`
	EventID string `json:"event_id,omitempty"`
}

func baselineHandler(name string) http.Handler {
	var buffers sync.Pool // of *bytes.Buffer
	server := echo.New()
	server.POST(webhook.Path, func(c echo.Context) error {
		buffer, ok := buffers.Get().(*bytes.Buffer)
		if !ok {
			buffer = new(bytes.Buffer)
		}
		defer func() {
			buffer.Reset()
			buffers.Put(buffer)
		}()
		if _, err := buffer.ReadFrom(c.Request().Body); err != nil {
			return err
		}
		if name == readBody {
			return c.JSON(http.StatusOK, baselineResponse{Status: "ok"})
		}
		received, err := event.Parse(buffer.Bytes())
		if err != nil {
			return echo.NewHTTPError(http.StatusBadRequest, err.Error())
		}
		return c.JSON(http.StatusOK, baselineResponse{Status: "ok", EventID: received.ID})
	})
	return server
}
