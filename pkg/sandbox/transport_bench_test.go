package sandbox_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
)

// BenchmarkRoundTrip measures the cost that the transport adds to a call, which has a deadline as
// the programs' calls do.
func BenchmarkRoundTrip(b *testing.B) {
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	transport := sandbox.Transport{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("{}"))
	})}
	b.ReportAllocs()
	for b.Loop() {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://service.test/", strings.NewReader(`{"a":1}`))
		if err != nil {
			b.Fatal(err)
		}
		for _, name := range []string{"Authorization", "User-Agent", "X-Amz-Date", "X-Amz-Target", "Content-Type", "Amz-Sdk-Request"} {
			request.Header[name] = []string{"some value"}
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			b.Fatal(err)
		}
		_ = response.Body.Close()
	}
}
