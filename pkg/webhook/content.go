package webhook

import (
	"mime"
	"net/http"
	"strings"
)

// checkContent refuses a body that is not plain JSON in UTF-8.
func checkContent(header http.Header) error {
	if _, encoded := header["Content-Encoding"]; encoded {
		return &refusal{status: http.StatusUnsupportedMediaType, detail: "Content-Encoding is not supported"}
	}
	given := header.Values("Content-Type")
	if len(given) != 1 {
		return &refusal{status: http.StatusUnsupportedMediaType, detail: "there must be one Content-Type: application/json"}
	}
	mediaType, parameters, err := mime.ParseMediaType(given[0])
	if err != nil || mediaType != "application/json" {
		return &refusal{status: http.StatusUnsupportedMediaType, detail: "Content-Type must be application/json", cause: err}
	}
	if charset, ok := parameters["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return &refusal{status: http.StatusUnsupportedMediaType, detail: "the charset must be UTF-8"}
	}
	return nil
}
