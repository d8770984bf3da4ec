package deadletter

import (
	"reflect"
	"slices"
	"time"
)

// NoReason is the filter value for messages without a reason: SQS moved them.
const NoReason = "none"

// Filter selects messages. Empty fields select all.
type Filter struct {
	Reason       string // a reason, or NoReason
	Customer     string
	Subscription string
	Invoice      string        // draft id
	Event        string        // the event id or the message id
	OlderThan    time.Duration // minimum of the age, counted from failedOrSentAt
	NewerThan    time.Duration // maximum of the age

	Messages map[string]bool // message ids; nil selects all
}

// IsEmpty reports whether the filter selects all messages.
func (f Filter) IsEmpty() bool { return reflect.ValueOf(f).IsZero() }

// selects reports whether the message matches all fields. now is the present time, for its age.
func (f Filter) selects(message Message, now time.Time) bool {
	matches := func(wanted string, found *string) bool { return wanted == "" || found != nil && *found == wanted }
	return (matches(f.Reason, message.Reason) || f.Reason == NoReason && message.Reason == nil) &&
		matches(f.Customer, message.CustomerID) &&
		matches(f.Invoice, message.InvoiceID) &&
		(f.Subscription == "" || slices.Contains(message.SubscriptionIDs, f.Subscription)) &&
		(matches(f.Event, message.EventID) || f.Event == message.MessageID) &&
		(f.OlderThan == 0 || now.Sub(message.failedOrSentAt()) > f.OlderThan) &&
		(f.NewerThan == 0 || now.Sub(message.failedOrSentAt()) < f.NewerThan) &&
		(f.Messages == nil || f.Messages[message.MessageID])
}
