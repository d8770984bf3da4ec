package receiver_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// Floods are sampled per level, and those of invalid webhooks by themselves: a flood of one does not
// hide another.
func TestObserver_SamplesFloods(t *testing.T) {
	t.Parallel()
	const seconds, each = 3, 200
	for level, want := range map[zerolog.Level]map[string]int{
		zerolog.InfoLevel:  {"info 200": seconds, "warn 400": seconds * 100, "warn 503": seconds * 100},
		zerolog.DebugLevel: {"info 200": seconds, "debug 200": seconds * (each - 1), "warn 400": seconds * 100, "warn 503": seconds * 100},
		zerolog.WarnLevel:  {"warn 400": seconds * 100, "warn 503": seconds * 100},
	} {
		t.Run(level.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				settings := config.DefaultReceiver()
				settings.Auth.Disabled = true
				r := wired(settings, sqs.New(sqs.Config{}), zerolog.New(&log).Level(level))
				if err := r.Close(t.Context()); err != nil { // what is to be queued is answered 503
					t.Fatal(err)
				}
				for range seconds {
					for range each {
						for _, body := range []string{`{"event_type":"x"}`, `{`, pendingInvoice(t, 1)} {
							r.Handler().ServeHTTP(httptest.NewRecorder(), webhookRequest(t, "", body))
						}
					}
					time.Sleep(time.Second)
				}
				got := map[string]int{}
				for line := range strings.Lines(log.String()) {
					var fields struct {
						Level  string
						Status int
					}
					if err := json.Unmarshal([]byte(line), &fields); err != nil {
						t.Fatal(err)
					}
					got[fmt.Sprint(fields.Level, " ", fields.Status)]++
				}
				if !maps.Equal(got, want) {
					t.Errorf("the log has %v, want %v", got, want)
				}
			})
		})
	}
}

// The log line of a refused request has the address of the client. X-Forwarded-For is used only if
// a trusted proxy sent the request, and only as far as trusted proxies wrote it.
func TestObserver_ClientAddress(t *testing.T) {
	t.Parallel()
	const trusted = "10.0.0.0/8, fd00::/8"
	for name, test := range map[string]struct {
		trusted   string
		peer      string
		forwarded []string
		accepted  bool
		want      any // nil: no field
	}{
		"no proxy":                      {trusted: "", peer: "203.0.113.7:4000", want: "203.0.113.7"},
		"no proxy is trusted":           {trusted: "", peer: "10.0.0.1:4000", forwarded: []string{"203.0.113.7"}, want: "10.0.0.1"},
		"a trusted proxy":               {trusted: trusted, peer: "10.0.0.1:4000", forwarded: []string{"203.0.113.7"}, want: "203.0.113.7"},
		"a trusted proxy by IPv6":       {trusted: trusted, peer: "[fd00::1]:4000", forwarded: []string{"2001:db8::7"}, want: "2001:db8::7"},
		"two trusted proxies":           {trusted: trusted, peer: "10.0.0.1:4000", forwarded: []string{"203.0.113.7, 10.0.0.2"}, want: "203.0.113.7"},
		"two headers":                   {trusted: trusted, peer: "10.0.0.1:4000", forwarded: []string{"198.51.100.1", "203.0.113.7"}, want: "203.0.113.7"},
		"the client wrote one, too":     {trusted: trusted, peer: "10.0.0.1:4000", forwarded: []string{"198.51.100.1, 203.0.113.7"}, want: "203.0.113.7"},
		"another proxy":                 {trusted: trusted, peer: "192.168.0.1:4000", forwarded: []string{"203.0.113.7"}, want: "192.168.0.1"},
		"a private client":              {trusted: trusted, peer: "10.0.0.1:4000", forwarded: []string{"198.51.100.1, 192.168.0.9"}, want: "192.168.0.9"},
		"no address":                    {trusted: trusted, peer: "10.0.0.1:4000", forwarded: []string{"\x1b[2J"}, want: "10.0.0.1"},
		"a request that is not refused": {trusted: trusted, peer: "10.0.0.1:4000", forwarded: []string{"203.0.113.7"}, accepted: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			settings := config.DefaultReceiver()
			settings.Auth.Disabled = test.accepted
			if err := settings.HTTP.TrustedProxies.UnmarshalText([]byte(test.trusted)); err != nil {
				t.Fatal(err)
			}
			request := webhookRequest(t, "", `{"event_type":"x"}`)
			request.RemoteAddr, request.Header["X-Forwarded-For"] = test.peer, test.forwarded
			wired(settings, sqs.New(sqs.Config{}), zerolog.New(&log)).Handler().ServeHTTP(httptest.NewRecorder(), request)
			var fields map[string]any
			if err := json.Unmarshal(log.Bytes(), &fields); err != nil {
				t.Fatal(err)
			}
			if got := fields["client.address"]; got != test.want {
				t.Errorf("got %v, want %v: %s", got, test.want, &log)
			}
		})
	}
}
