package billing

import (
	"fmt"
	"net/http"
	"time"
)

// Kind is the kind of a failed call to Chargebee.
type Kind int

// The kinds. The zero value is Unknown: a call that failed for an unknown reason may have been
// executed.
const (
	Unknown      Kind = iota // the call may have been executed
	Transient                // not executed; Chargebee is unavailable
	Limited                  // not executed: too many calls, or a lock (429)
	Missing                  // the invoice does not exist, or does not have the status for the call (404, 409)
	Permanent                // not executed; a retry is refused too
	Unauthorized             // not executed; the credentials or the site are wrong, and all calls fail
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

// Failure is a failed call to Chargebee.
type Failure struct {
	Kind       Kind
	Operation  string        // the operation of the call, for example add_charge
	Status     int           // HTTP status; 0 without a response
	Code       string        // Chargebee's api_error_code; empty if the response has none
	Message    string        // of limited length, without secrets
	RetryAfter time.Duration // how long to wait, if Limited; 0 if Chargebee did not specify it
	Resource   bool          // if Limited: by a lock of the invoice or a third party, not by the limit of the site
	Replayed   bool          // the response was stored under the idempotency key by an earlier call
	TooLarge   bool          // the response was too long to read; a list with a smaller limit may be shorter
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

// SiteLimit reports whether the whole site is over its limit. retryAfter is 0 if Chargebee did not specify it. A
// replayed response does not show that: it is about an earlier time.
func (f *Failure) SiteLimit() (retryAfter time.Duration, ok bool) {
	return f.RetryAfter, f.Kind == Limited && !f.Resource && !f.Replayed
}

// IsNotFound reports whether the invoice does not exist. The kind Missing alone does not mean that:
// Chargebee may answer 409 to a call on a draft that is no longer pending.
func (f *Failure) IsNotFound() bool { return f.Kind == Missing && f.Status == http.StatusNotFound }
