package webhook

import (
	"context"
	"net/http"

	"github.com/billable-events/billable/pkg/telemetry"
)

// traceParent returns the request's place in a trace, or "" if it has none.
func traceParent(header http.Header) string {
	given := header.Values("Traceparent")
	if len(given) != 1 {
		return ""
	}
	return telemetry.TraceParent(telemetry.WithTraceParent(context.Background(), given[0]))
}
