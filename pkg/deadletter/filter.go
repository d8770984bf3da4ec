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
	Reason       string // or NoReason
	Customer     string
	Subscription string
	Invoice      string        // draft id
	Event        string        // event id, or message id
	OlderThan    time.Duration // since the message failed, or else was sent
	NewerThan    time.Duration // the same

	Messages map[string]bool // message ids; nil selects all
}

// IsEmpty reports whether the filter selects all messages.
func (f Filter) IsEmpty() bool { return reflect.ValueOf(f).IsZero() }

func (f Filter) selects(message Message, now time.Time) bool {
	is := func(wanted string, found *string) bool { return wanted == "" || found != nil && *found == wanted }
	return (is(f.Reason, message.Reason) || f.Reason == NoReason && message.Reason == nil) &&
		is(f.Customer, message.CustomerID) &&
		is(f.Invoice, message.InvoiceID) &&
		(f.Subscription == "" || slices.Contains(message.SubscriptionIDs, f.Subscription)) &&
		(is(f.Event, message.EventID) || f.Event == message.MessageID) &&
		(f.OlderThan == 0 || now.Sub(message.failedSince()) > f.OlderThan) &&
		(f.NewerThan == 0 || now.Sub(message.failedSince()) < f.NewerThan) &&
		(f.Messages == nil || f.Messages[message.MessageID])
}
