package webhook

import (
	"net/http"
	"strings"
)

// traceParent returns the request's place in a trace, in the form of version 00,
// whose fields later versions keep.
// https://www.w3.org/TR/trace-context/#traceparent-header
func traceParent(header http.Header) (parent string, ok bool) {
	given := header.Values("Traceparent")
	if len(given) != 1 {
		return "", false
	}
	const length = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	text := given[0]
	if len(text) > length && text[length] == '-' && !strings.HasPrefix(text, "00") {
		text = text[:length] // what a later version adds
	}
	fields := strings.Split(text, "-")
	if len(fields) != 4 ||
		!isHex(fields[0], 2) || fields[0] == "ff" ||
		!isHex(fields[1], 32) || strings.Trim(fields[1], "0") == "" ||
		!isHex(fields[2], 16) || strings.Trim(fields[2], "0") == "" ||
		!isHex(fields[3], 2) {
		return "", false
	}
	return "00" + text[2:], true
}

func isHex(text string, length int) bool {
	return len(text) == length && strings.Trim(text, "0123456789abcdef") == ""
}
