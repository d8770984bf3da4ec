package suggest_test

import (
	"testing"

	"github.com/billable-events/billable/pkg/suggest"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"worker.concurrency", "worker.max_attempts", "queue.url", "ab"}
	for text, want := range map[string]string{
		"worker.concurrency":  "worker.concurrency",
		"worker.concurency":   "worker.concurrency",
		"worker.concurrrenzy": "worker.concurrency",
		"worker.cncrrnc":      "",
		"queue.uri":           "queue.url",
		"aa":                  "ab",
		"xy":                  "",
		"x":                   "",
		"":                    "",
	} {
		if got, ok := suggest.Nearest(text, names); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %t; want %q", text, got, ok, want)
		}
	}
}
