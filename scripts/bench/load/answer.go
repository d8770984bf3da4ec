package load

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 10

// read takes in what the server said.
func (a *Answer) read(status int, header http.Header, body []byte) {
	a.Status = status
	_, err := strconv.ParseUint(header.Get("Retry-After"), 10, 31)
	a.RetryAfter = err == nil
	if status != http.StatusOK {
		return
	}
	var said struct {
		EventID string `json:"event_id"`
	}
	if err := json.Unmarshal(body, &said); err != nil {
		a.Problem = "the answer cannot be read: " + err.Error()
		return
	}
	a.EventID = said.EventID
}
