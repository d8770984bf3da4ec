package telemetry_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/billable-events/billable/pkg/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAdmin_Responses(t *testing.T) {
	t.Parallel()
	ready := errors.New("the queue does not answer")
	admin := &telemetry.Admin{
		Live:     func() error { return nil },
		Ready:    func() error { return ready },
		Registry: telemetry.NewRegistry("v1.2.3"),
	}
	handler := admin.Handler()
	for _, test := range []struct {
		method, path string
		status       int
		body         string
	}{
		{http.MethodGet, "/livez", http.StatusOK, `"ok"`},
		{http.MethodGet, "/readyz", http.StatusServiceUnavailable, "the queue does not answer"},
		{http.MethodGet, "/metrics", http.StatusOK, "go_goroutines"},
		{http.MethodGet, "/debug/pprof/", http.StatusNotFound, ""},
		{http.MethodPost, "/livez", http.StatusMethodNotAllowed, ""},
		{http.MethodGet, "/", http.StatusNotFound, ""},
	} {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(test.method, test.path, nil))
		if recorder.Code != test.status || !strings.Contains(recorder.Body.String(), test.body) {
			t.Errorf("%s %s: %d %s", test.method, test.path, recorder.Code, recorder.Body)
		}
	}
	admin.Pprof = true
	recorder := httptest.NewRecorder()
	admin.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/debug/pprof/", nil))
	if recorder.Code != http.StatusOK {
		t.Errorf("pprof is enabled and answers %d", recorder.Code)
	}
}

func TestAdmin_StartStop(t *testing.T) {
	t.Parallel()
	admin := &telemetry.Admin{Live: func() error { return nil }, Ready: func() error { return nil }, Registry: telemetry.NewRegistry("v1.2.3")}
	addr, err := admin.Start(t.Context(), "127.0.0.1:0", make(chan error, 1))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + addr.String() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("got %d", response.StatusCode)
	}
	if err := admin.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if response, err := client.Get("http://" + addr.String() + "/readyz"); err == nil {
		response.Body.Close()
		t.Error("it answers after it was stopped")
	}
}

func TestNewLogger(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger := telemetry.NewLogger(&out, "warn", "json")
	logger.Info().Msg("quiet")
	logger.Warn().Str("event_id", "ev_1").Msg("loud")
	if got := out.String(); strings.Contains(got, "quiet") || !strings.Contains(got, `"event_id":"ev_1"`) || !strings.Contains(got, `"time":`) {
		t.Errorf("got %s", got)
	}
}
