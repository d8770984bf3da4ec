package webhook

import (
	"mime"
	"net/http"
	"strings"
)

// checkContentType returns an error unless the body is JSON in UTF-8 without an encoding, for example gzip.
// The Content-Encoding identity means no encoding. utf8 is a common misspelling of UTF-8.
func checkContentType(header http.Header) error {
	for _, encoding := range header.Values("Content-Encoding") {
		if !strings.EqualFold(encoding, "identity") {
			return errUnsupported("Content-Encoding is not supported", nil)
		}
	}
	given := header.Values("Content-Type")
	if len(given) != 1 {
		return errUnsupported("exactly one Content-Type is required: application/json", nil)
	}
	mediaType, parameters, err := mime.ParseMediaType(given[0])
	if err != nil || mediaType != "application/json" {
		return errUnsupported("Content-Type must be application/json", err)
	}
	if charset, ok := parameters["charset"]; ok && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "utf8") {
		return errUnsupported("charset must be UTF-8", nil)
	}
	return nil
}

func errUnsupported(detail string, cause error) error {
	return &httpError{status: http.StatusUnsupportedMediaType, detail: detail, cause: cause}
}
