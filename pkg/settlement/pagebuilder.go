package settlement

import (
	"hash/maphash"
	"slices"

	"github.com/billable-events/billable/pkg/billing"
)

// eventMargin is the maximum number of bytes of an event in a page besides the values that sizeInPage adds: the
// names and punctuation of JSON, and occurred_at.
const eventMargin = 160

// eventSet is a set of events. It holds hashes of their keys, to save memory. If two keys had the same hash,
// claim would leave one event to the next invoice.
type eventSet struct {
	seed   maphash.Seed
	hashes map[uint64]struct{}
}

func (e *eventSet) add(events []billing.Event) {
	if e.hashes == nil {
		e.seed, e.hashes = maphash.MakeSeed(), map[uint64]struct{}{}
	}
	for _, event := range events {
		e.hashes[maphash.Comparable(e.seed, event.EventKey)] = struct{}{}
	}
}

func (e *eventSet) has(key billing.EventKey) bool {
	if len(e.hashes) == 0 {
		return false
	}
	_, found := e.hashes[maphash.Comparable(e.seed, key)]
	return found
}

// pageBuilder collects the events of a page.
type pageBuilder struct {
	events        []billing.Event
	keys          map[billing.EventKey]bool // of the events
	subscriptions []string                  // of the events
	pageSize      int                       // upper bound of the encoded size of the events, in bytes
	eventsSize    int                       // of the items of the events table, in bytes
}

// fits reports whether the page has room for the event.
func (b *pageBuilder) fits(event billing.Event) bool {
	count := len(b.events) + 1 + len(b.subscriptions)
	if !slices.Contains(b.subscriptions, event.SubscriptionID) {
		count++
	}
	return count <= billing.MaxPageEvents && // counts subscriptions, too
		b.pageSize+sizeInPage(event) <= billing.MaxPageSize &&
		b.eventsSize+event.Size <= billing.MaxEventsSize
}

// add adds an event, unless the page has it: the index of unbilled events may show an event twice.
func (b *pageBuilder) add(event billing.Event) {
	if b.keys[event.EventKey] {
		return
	}
	if b.keys == nil {
		b.keys = make(map[billing.EventKey]bool, billing.MaxPageEvents)
		b.events = make([]billing.Event, 0, billing.MaxPageEvents)
	}
	b.keys[event.EventKey] = true
	b.events = append(b.events, event)
	if !slices.Contains(b.subscriptions, event.SubscriptionID) {
		b.subscriptions = append(b.subscriptions, event.SubscriptionID)
	}
	b.pageSize += sizeInPage(event)
	b.eventsSize += event.Size
}

// take returns the events and starts a new page.
func (b *pageBuilder) take() []billing.Event {
	events := b.events
	*b = pageBuilder{}
	return events
}

// sizeInPage returns the maximum number of bytes of an event in a page.
func sizeInPage(event billing.Event) int {
	size := eventMargin + len(event.Amount) + len(event.Quantity)
	for _, text := range []string{
		event.SubscriptionID, event.EventID, event.ChargeCode, billing.Cut(event.Description, billing.MaxDescription), event.CurrencyCode, event.Fault,
	} {
		size += billing.EncodedSize(text)
	}
	return size
}
