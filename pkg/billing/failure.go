package billing

import (
	"fmt"
	"net/http"
	"time"
)

// Kind is the class of a failed call to Chargebee.
type Kind int

// The kinds. The zero value is Unknown: a call that failed for an unknown reason may have been
// executed.
const (
	Unknown      Kind = iota // the call may have been executed
	Transient                // not executed; Chargebee is unavailable
	Limited                  // not executed; retry after Failure.RetryAfter
	Missing                  // the invoice does not exist, or is not in a state for the call (404, 409)
	Permanent                // not executed, and a retry will not be either
	Unauthorized             // the credentials or the site are wrong: all calls fail
)

// String returns the kind's name, which is also its metric label.
func (k Kind) String() string {
	switch k {
	case Transient:
		return "transient"
	case Limited:
		return "limited"
	case Missing:
		return "missing"
	case Permanent:
		return "permanent"
	case Unauthorized:
		return "unauthorized"
	default:
		return "unknown"
	}
}

// Failure is a failed call to Chargebee, classified once, at the edge.
type Failure struct {
	Kind       Kind
	Operation  string        // the operation of the call, e.g. add_charge
	Status     int           // HTTP status; 0 without an answer
	Code       string        // Chargebee's api_error_code, if any
	Message    string        // bounded, without secrets
	RetryAfter time.Duration // Limited: how long to wait; 0 if Chargebee did not specify it
	Resource   bool          // Limited: by a lock of the invoice or a third party, not by the limit of the site
	Replayed   bool          // the answer was stored under the idempotency key
	TooLarge   bool          // the answer was too long to read; a smaller limit of a list may help
	Err        error         // the cause, if there is one
}

func (f *Failure) Error() string {
	text := fmt.Sprintf("chargebee %s: %s", f.Operation, f.Kind)
	if f.Status != 0 {
		text += fmt.Sprintf(" (HTTP %d %s)", f.Status, f.Code)
	}
	if f.Message != "" {
		text += ": " + f.Message
	}
	return text
}

func (f *Failure) Unwrap() error { return f.Err }

// SiteLimit reports whether the whole site is over its limit, and for how long at least. A replayed
// answer is about an earlier time.
func (f *Failure) SiteLimit() (retryAfter time.Duration, ok bool) {
	return f.RetryAfter, f.Kind == Limited && !f.Resource && !f.Replayed
}

// IsNotFound reports whether the invoice does not exist. The kind Missing alone does not mean that:
// Chargebee may answer 409 to a call on a draft that is no longer pending.
func (f *Failure) IsNotFound() bool { return f.Kind == Missing && f.Status == http.StatusNotFound }
