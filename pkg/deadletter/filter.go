package deadletter

import (
	"slices"
	"time"
)

// NoReason names, in a filter, the letters that have no reason: the queue moved them
// itself.
const NoReason = "none"

// Filter chooses letters. What is empty chooses all.
type Filter struct {
	Reason       string // or NoReason
	Customer     string
	Subscription string
	Invoice      string        // draft id
	Event        string        // event id, or the message's
	OlderThan    time.Duration // since they failed, or else since they were put into the queue
}

// Empty tells whether the filter chooses all letters.
func (f Filter) Empty() bool { return f == Filter{} }

func (f Filter) chooses(letter Letter, now time.Time) bool {
	is := func(wanted string, found *string) bool { return wanted == "" || found != nil && *found == wanted }
	return (is(f.Reason, letter.Reason) || f.Reason == NoReason && letter.Reason == nil) &&
		is(f.Customer, letter.CustomerID) &&
		is(f.Invoice, letter.InvoiceID) &&
		(f.Subscription == "" || slices.Contains(letter.SubscriptionIDs, f.Subscription)) &&
		(is(f.Event, letter.EventID) || f.Event == letter.MessageID) &&
		(f.OlderThan == 0 || now.Sub(letter.since()) > f.OlderThan)
}

// since is when the letter failed, as far as that is known.
func (l Letter) since() time.Time {
	if l.FailedAt != nil {
		return *l.FailedAt
	}
	return l.sent
}
