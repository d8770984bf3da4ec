package simulation

import (
	"slices"
	"sync"
	"time"
)

// books records what was written and opened: what the invariant checks compare with.
type books struct {
	world *world

	mu        sync.Mutex
	events    map[string]*writtenEvent
	invoices  []openedInvoice
	edits     []edit
	reads     map[podDraft]int64 // the version of a draft that a pod read last
	charged   map[string]int64   // the version that the pod had read that first charged a draft; 0: none
	removed   map[string]string  // subscriptions of which a line was removed, by draft
	refused   map[string]int     // refusals of a close that pods received, by idempotency key
	handlings int                // handlings that pods reported
	rejected  int                // of them, those that rejected their message
}

// writtenEvent is an event as its producer knows it.
type writtenEvent struct {
	subscription string
	certain      int64 // since then (unix seconds) it is known to be there as it is
}

// openedInvoice is an invoice as it was made.
type openedInvoice struct {
	renewal       int // its number in the plan
	draft         string
	date          int64 // unix seconds
	subscriptions []string
}

// edit is a change of whose invoice a draft is.
type edit struct {
	draft        string
	at           time.Time
	version      int64  // of the draft with the change
	subscription string // that the draft got
}

func newBooks(w *world) *books {
	return &books{
		world: w, events: map[string]*writtenEvent{}, reads: map[podDraft]int64{}, charged: map[string]int64{},
		refused: map[string]int{}, removed: map[string]string{},
	}
}

// newEvent enters an event that is about to be written.
func (b *books) newEvent(subscription, id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events[id] = &writtenEvent{subscription: subscription}
}

func (b *books) wrote(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events[id].certain = time.Now().Unix()
}

// settledBefore tells whether an event was there, as it is, before the given time.
func (b *books) settledBefore(id string, at int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	certain := b.events[id].certain
	return certain != 0 && certain < at
}

func (b *books) written() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.events)
}

func (b *books) opened(invoice openedInvoice) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.invoices = append(b.invoices, invoice)
}

// draftOf returns the draft that a renewal made; empty if it has made none yet.
func (b *books) draftOf(renewal int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, invoice := range b.invoices {
		if invoice.renewal == renewal {
			return invoice.draft
		}
	}
	return ""
}

// moved notes that an operator changed the subscription of a draft.
func (b *books) moved(edit edit) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.edits = append(b.edits, edit)
}

// shifts notes that a line of a subscription is removed from a draft. It reports whether it is
// the first one.
func (b *books) shifts(draft, subscription string) (first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, before := b.removed[draft]
	if !before {
		b.removed[draft] = subscription
	}
	return !before
}

// openedInvoices are the invoices so far, in the order of their making.
func (b *books) openedInvoices() []openedInvoice {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.invoices)
}

func (b *books) handled() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.handlings++
}
