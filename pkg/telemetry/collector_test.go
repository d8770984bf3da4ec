package telemetry

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// answers is a way to a collector that answers with each status in turn; 0 is none.
type answers struct {
	statuses []int
	header   http.Header
	asked    []time.Duration // since the first
	began    time.Time
}

func (a *answers) RoundTrip(*http.Request) (*http.Response, error) {
	if len(a.asked) == 0 {
		a.began = time.Now()
	}
	status := a.statuses[min(len(a.asked), len(a.statuses)-1)]
	a.asked = append(a.asked, time.Since(a.began))
	if status == 0 {
		return nil, errors.New("no route")
	}
	answer := httptest.NewRecorder()
	for name := range a.header {
		answer.Header().Set(name, a.header.Get(name))
	}
	answer.WriteHeader(status)
	return answer.Result(), nil
}

func TestWhatIsSentAgain(t *testing.T) {
	for _, test := range []struct {
		name     string
		statuses []int
		wait     string // that the collector asks for
		asked    []time.Duration
		fails    bool
	}{
		{"taken", []int{200}, "", []time.Duration{0}, false},
		{"refused", []int{400}, "", []time.Duration{0}, true},
		{"busy, then taken", []int{503, 0, 200}, "", []time.Duration{0, time.Second, 3 * time.Second}, false},
		{"busy and says how long", []int{429, 200}, "5", []time.Duration{0, 5 * time.Second}, false},
		{"busy for longer than there is time", []int{429, 200}, "60", []time.Duration{0}, true},
		{"gone", []int{0}, "", []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second, 15 * time.Second}, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			way := &answers{statuses: test.statuses, header: http.Header{"Retry-After": {test.wait}}}
			collector := &collector{url: "http://collector", timeout: time.Second, client: &http.Client{Transport: way}}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if err := collector.UploadTraces(ctx, nil); (err != nil) != test.fails {
				t.Errorf("%s: %v", test.name, err)
			}
			if len(way.asked) != len(test.asked) {
				t.Fatalf("%s: asked after %v", test.name, way.asked)
			}
			for i, after := range test.asked {
				if way.asked[i] != after {
					t.Errorf("%s: asked after %v", test.name, way.asked)
				}
			}
		})
	}
}
