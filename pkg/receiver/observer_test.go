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

// Floods are sampled per level: a flood of one does not hide
// another.
func TestObserver_SamplesFloods(t *testing.T) {
	t.Parallel()
	const seconds, each = 3, 200
	for level, want := range map[zerolog.Level]map[string]int{
		zerolog.InfoLevel:  {"info 200": seconds, "info 400": seconds * 100, "warn 503": seconds * 100},
		zerolog.DebugLevel: {"info 200": seconds, "debug 200": seconds * (each - 1), "info 400": seconds * 100, "warn 503": seconds * 100},
		zerolog.WarnLevel:  {"warn 503": seconds * 100},
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
