package event_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/event"
)

// TestParse_Memory: what a body of 1 MB decodes to does not depend on what is in it. 64 clients that send
// such bodies at the same time must fit the memory of a receiver.
func TestParse_Memory(t *testing.T) {
	const size = 1 << 20
	repeat := func(text string) string { return strings.Repeat(text, size/len(text)) }
	envelope := func(eventType, lines string) []byte {
		return fmt.Appendf(nil, `{"id":"ev","event_type":%q,"api_version":"v2","content":{"invoice":{"id":"inv","line_items":[%s0]}}}`, eventType, lines)
	}
	bodies := map[string][]byte{
		"numbers as lines":     envelope(event.PendingInvoiceCreated, repeat("0,")),
		"another event type":   envelope("invoice_updated", repeat("0,")),
		"empty lines":          envelope(event.PendingInvoiceCreated, repeat("{},")),
		"lines":                envelope(event.PendingInvoiceCreated, repeat(`{"id":"li","subscription_id":"sub"},`)),
		"repeated names":       []byte(`{"id":"ev",` + repeat(`"x":0,`) + `"event_type":"other"}`),
		"repeated known names": []byte(`{"id":"ev",` + repeat(`"id":"a",`) + `"event_type":"other"}`),
		"nested arrays":        []byte(`{"id":"ev","x":` + repeat("[") + `}`),
		"nested objects":       []byte(`{"id":"ev","x":` + repeat(`{"x":`) + `}`),
	}
	for name, body := range bodies {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = event.Parse(body)
		runtime.ReadMemStats(&after)
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > size {
			t.Errorf("%s: %d bytes are allocated for a body of %d", name, allocated, len(body))
		}
	}
}
