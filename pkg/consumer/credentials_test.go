package consumer

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/lifecycle"
	"github.com/billable-events/billable/pkg/ratelimit/ratelimittest"
)

// roundTripper is a site.
type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// TestConsumer_WatchesAPIKey: the key of the next call is that of the file; an unreadable one changes nothing.
func TestConsumer_WatchesAPIKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "api_key")
		write := func(content string) {
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("first")
		settings, _, err := config.LoadConsumer(config.Source{Environ: []string{"BILLABLE_CHARGEBEE_SITE=acme-test", "BILLABLE_CHARGEBEE_API_KEY_FILE=" + file}})
		if err != nil {
			t.Fatal(err)
		}
		var authorization string
		c, err := New(settings, Deps{Chargebee: roundTripper(func(request *http.Request) (*http.Response, error) {
			authorization = request.Header.Get("Authorization")
			return nil, errors.New("no connection")
		})}, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		defer lifecycle.Background(t.Context(), c.WatchAPIKey)()
		for _, step := range []struct{ content, authorization string }{
			{"first", "Basic Zmlyc3Q="},
			{"second\n", "Basic c2Vjb25k"},
			{"", "Basic c2Vjb25k"},
			{"third", "Basic dGhpcmQ="},
		} {
			write(step.content)
			time.Sleep(10 * time.Second)
			_, _ = c.chargebee.Time(t.Context(), ratelimittest.Permit(time.Now))
			if authorization != step.authorization {
				t.Errorf("after %q the key is %q, want %q", step.content, authorization, step.authorization)
			}
		}
		if got := value(t, c.registry, "billable_credentials_reload_failures_total"); got == 0 {
			t.Error("the metric does not count the failure")
		}
	})
}
