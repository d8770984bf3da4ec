package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Format is the format of a result.
type Format string

// The formats.
const (
	Table Format = "table"
	JSON  Format = "json"
	CSV   Format = "csv" // only for lists
)

// FormatVar adds the flag --output, whose value is one of formats.
func FormatVar(flags *pflag.FlagSet, target *Format, formats ...Format) {
	ChoiceVar(flags, target, "output", strings.Join(texts(formats), "|"), "format of the result", formats)
}

// WriteJSON writes the value as indented JSON, with a line end.
func WriteJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// None is shown for an absent value.
const None = "-"

// OrNone returns the value, or None for nil.
func OrNone(value *string) string {
	if value == nil {
		return None
	}
	return *value
}

// TimeOrNone formats a time in RFC 3339. It returns None for nil.
func TimeOrNone(value *time.Time) string {
	if value == nil {
		return None
	}
	return value.Format(time.RFC3339)
}

// FormatAge formats the time from since to now, for example 3d4h, 2h5m or 7m. It returns None for nil.
func FormatAge(since *time.Time, now time.Time) string {
	if since == nil {
		return None
	}
	const day = 24 * time.Hour
	age := max(now.Sub(*since), 0) // the clocks may differ
	days, hours, minutes := age/day, age%day/time.Hour, age%time.Hour/time.Minute
	switch {
	case days > 0:
		return fmt.Sprintf("%dd%dh", days, hours)
	case hours > 0:
		return fmt.Sprintf("%dh%dm", hours, minutes)
	default:
		return fmt.Sprintf("%dm", minutes)
	}
}

// IndentJSON indents a body that is a json.RawMessage. It returns any other body as fmt.Sprint formats it.
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
