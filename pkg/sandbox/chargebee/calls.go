package chargebee

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// Call is one request that arrived.
type Call struct {
	At        time.Time // of its arrival
	InvoiceID string    // "" for lists and events

	// Operation is add_charge, add_charge_item, add_addon_charge, close, delete,
	// delete_line_items, retrieve, list, list_events, retrieve_event or unknown.
	Operation string

	Status   int    // HTTP status; 0: not answered, or not yet
	Code     string // api_error_code of a refusal
	Replayed bool   // the answer was another call's, under the same key
}

// calls is the log of requests.
type calls struct {
	mu  sync.Mutex
	log []Call
}

// begin takes the time itself, so that the log is in the order of arrival.
func (c *calls) begin(clock func() time.Time, call *call) (number int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, Call{At: clock(), Operation: call.operation.name, InvoiceID: call.invoiceID})
	return len(c.log) - 1
}

func (c *calls) end(number int, answer answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	logged := &c.log[number]
	if answer.sent != nothing {
		logged.Status, logged.Code, logged.Replayed = answer.status, answer.code, answer.replayed
	}
}

// Calls are all requests so far, in the order of their arrival.
func (s *Service) Calls() []Call {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	return slices.Clone(s.calls.log)
}

// Busiest is the largest number of calls, in the order of their arrival, within
// any stretch of time shorter than span. Those without a valid key do not count.
func Busiest(calls []Call, span time.Duration) int {
	calls = slices.DeleteFunc(slices.Clone(calls), func(c Call) bool { return c.Status == http.StatusUnauthorized })
	most, first := 0, 0
	for last := range calls {
		for calls[last].At.Sub(calls[first].At) >= span {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}
