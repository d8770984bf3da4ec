package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/webhook"
)

func TestBaselineHandler(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, body string
		status     int
		want       string
	}{
		{readBody, "{", 200, `{"status":"ok"}`},
		{validate, "{", 400, ""},
		{validate, usualBody(), 200, `{"status":"ok","event_id":"ev_SERIAL_SERIAL"}`},
	} {
		answer := httptest.NewRecorder()
		baselineHandler(test.name).ServeHTTP(answer, httptest.NewRequest(http.MethodPost, webhook.Path, strings.NewReader(test.body)))
		if got := strings.TrimSpace(answer.Body.String()); answer.Code != test.status || test.want != "" && got != test.want {
			t.Errorf("%s: %d %s", test.name, answer.Code, got)
		}
	}
}

func TestServeBaseline_UnknownName(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"the moon"}, {readBody, validate}} {
		if err := serveBaseline(args); err == nil {
			t.Errorf("%q was served", args)
		}
	}
}
