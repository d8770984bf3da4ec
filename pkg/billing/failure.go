package billing

import (
	"fmt"
	"net/http"
	"time"
)

// Kind is what a failed call to Chargebee means for the one who made it.
type Kind int

// The kinds. The zero value is Unknown: a failure that nobody understood may have
// had its effect.
const (
	Unknown      Kind = iota // it may have happened
	Transient                // it did not happen; Chargebee cannot take it now
	Limited                  // it did not happen; come back after Failure.RetryAfter
	Missing                  // the invoice is not there, or not in a state to take it (404, 409)
	Permanent                // it did not happen and never will
	Unauthorized             // the credentials or the site are wrong: nothing can work
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
	Status     int           // HTTP status, 0 when no answer came
	Code       string        // Chargebee's api_error_code, if any
	Message    string        // bounded, without secrets
	RetryAfter time.Duration // Limited: how long to wait, 0 when Chargebee did not say
	Resource   bool          // Limited: this invoice only (lock_timeout), not the site
	Replayed   bool          // the answer was stored under the idempotency key
	TooLarge   bool          // the answer was too long to be read: a list can be asked for with a smaller limit
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

// OfSite tells whether the site as a whole is over its limit: nobody may call it for a while.
// An answer that was stored says nothing about now.
func (f *Failure) IsSiteLimit() bool { return f.Kind == Limited && !f.Resource && !f.Replayed }

// NotFound reports whether what the call named does not exist. Missing alone does not say so:
// Chargebee may answer 409 to a call on a draft that is no longer pending.
func (f *Failure) IsNotFound() bool { return f.Kind == Missing && f.Status == http.StatusNotFound }
