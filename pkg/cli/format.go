package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// None is shown for an absent value.
const None = "-"

// OrNone returns the value, or None.
func OrNone(value *string) string {
	if value == nil {
		return None
	}
	return *value
}

// TimeOrNone formats a time in RFC 3339, or returns None.
func TimeOrNone(value *time.Time) string {
	if value == nil {
		return None
	}
	return value.Format(time.RFC3339)
}

// FormatAge formats the time since the given one, as 3d4h, 2h5m or 7m.
func FormatAge(since *time.Time, now time.Time) string {
	if since == nil {
		return None
	}
	const day = 24 * time.Hour
	passed := max(now.Sub(*since), 0)
	days, hours, minutes := passed/day, passed%day/time.Hour, passed%time.Hour/time.Minute
	switch {
	case days > 0:
		return fmt.Sprintf("%dd%dh", days, hours)
	case hours > 0:
		return fmt.Sprintf("%dh%dm", hours, minutes)
	default:
		return fmt.Sprintf("%dm", minutes)
	}
}

// IndentJSON returns the body as indented JSON if it is a json.RawMessage, or else as it is.
func IndentJSON(body any) string {
	document, ok := body.(json.RawMessage)
	if !ok {
		return fmt.Sprint(body)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, document, "", "  "); err != nil {
		return string(document)
	}
	return out.String()
}
