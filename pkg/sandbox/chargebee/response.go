package chargebee

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// answer is the response to a call.
type answer struct {
	status      int
	code        string // api_error_code of a refusal
	contentType string
	body        []byte
	retryAfter  time.Duration
	replayed    bool
	sent        part
}

// part is the part of a response that reaches the caller. The zero value is all.
type part int

const (
	nothing part = iota - 2
	half
	all
)

func success(output any) answer {
	body, err := json.Marshal(output)
	if err != nil {
		panic("chargebee: output cannot be encoded: " + err.Error())
	}
	return answer{status: http.StatusOK, body: body, contentType: "application/json;charset=utf-8"}
}

type errorBody struct {
	Message        string `json:"message"`
	Type           string `json:"type"`
	APIErrorCode   string `json:"api_error_code"`
	Param          string `json:"param,omitempty"`
	ErrorCode      string `json:"error_code"`
	ErrorMessage   string `json:"error_msg,omitempty"`
	HTTPStatusCode int    `json:"http_status_code"`
}

func failure(err error) answer {
	var refusal *Error
	if !errors.As(err, &refusal) {
		refusal = ErrInternal
	}
	if refusal.Status == 0 {
		return answer{sent: nothing}
	}
	if refusal.Page {
		return page(refusal)
	}
	body := errorBody{
		Message:        refusal.Message,
		Type:           refusal.Type,
		APIErrorCode:   refusal.Code,
		Param:          refusal.Param,
		ErrorCode:      refusal.Code,
		HTTPStatusCode: refusal.Status,
	}
	if refusal.Code != ErrRateLimited.Code { // whose body is known, and has none
		body.ErrorMessage = refusal.Message
	}
	answer := success(body)
	answer.status, answer.code, answer.retryAfter = refusal.Status, refusal.Code, refusal.RetryAfter
	return answer
}

// page returns the response of a gateway in front of Chargebee.
func page(refusal *Error) answer {
	title := http.StatusText(refusal.Status)
	return answer{
		status:      refusal.Status,
		contentType: "text/html",
		retryAfter:  refusal.RetryAfter,
		body: []byte("<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" +
			title + "</h1></center>\r\n</body>\r\n</html>\r\n"),
	}
}

// write sends the answer, or what is to be sent of it, and then cuts the
// connection.
func (a answer) write(w http.ResponseWriter) {
	if a.sent == nothing {
		panic(http.ErrAbortHandler)
	}
	header := w.Header()
	header.Set("Content-Type", a.contentType)
	header.Set("Content-Length", strconv.Itoa(len(a.body)))
	if a.replayed {
		header.Set("chargebee-idempotency-replayed", "true")
	}
	if a.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(wholeSeconds(a.retryAfter)))
	}
	w.WriteHeader(a.status)
	if a.sent == half {
		_, _ = w.Write(a.body[:len(a.body)/2])
		if flusher, ok := w.(http.Flusher); ok {
			flusher.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(a.body)
}

// wholeSeconds rounds up: a caller that waits so long has waited enough.
func wholeSeconds(d time.Duration) int {
	return int((d + time.Second - 1) / time.Second)
}
