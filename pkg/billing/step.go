package billing

import (
	"errors"
	"fmt"
	"slices"
)

// Step is one atomic change of the ledger: the head, and what changes with it, or
// nothing at all.
type Step struct {
	PreviousVersion string // the write that the head must carry; empty: there must be no head
	Record          Record // as it shall be; its Write names this step

	Manifest *Manifest // a new epoch
	Claim    *Page     // a new page; its events must be unbilled and as read
	Plan     *Plan     // the plan of the epoch; written once

	Final bool // Head.FinalInvoiceID is new: the head can be found by it from now on

	Bill    []EventKey // claimed events that become billed on Head.FinalInvoiceID
	Release []EventKey // claimed events that become unbilled again

	// Expire sets the time to live of what belongs to the epoch besides the head.
	Expire Expiry
}

// The limits of one step: maxActions items that together have at most maxSize bytes,
// of which the head takes its part.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
const (
	maxActions = 100
	maxSize    = 4<<20 - 64<<10
)

// MaxExpiring is how many items of an epoch one step that does nothing else may
// give their time to live.
const MaxExpiring = maxSize / MaxPageSize

// Fits tells whether the step is within the limits. Whatever it changes is taken to be
// as big as it may be.
func (s Step) Fits() bool {
	size := MaxPageSize * s.contents()
	if s.events() > 0 {
		size += MaxEventsSize
	}
	return s.Actions() <= maxActions && size <= maxSize
}

// Actions is how many items the step changes.
func (s Step) Actions() int {
	actions := 1 + s.contents() + s.events()
	if s.Final {
		actions++
	}
	return actions
}

// contents is how many items of the epoch the step changes.
func (s Step) contents() int {
	contents := len(s.Expire.Pages) + s.Expire.PlanParts
	for _, whether := range []bool{s.Manifest != nil, s.Claim != nil, s.Expire.Manifest} {
		if whether {
			contents++
		}
	}
	if s.Plan != nil {
		contents += len(s.Plan.Parts())
	}
	return contents
}

// events is how many events the step changes.
func (s Step) events() int {
	events := len(s.Bill) + len(s.Release)
	if s.Claim != nil {
		events += len(s.Claim.Events)
	}
	return events
}

// Expiry names what of an epoch gets its time to live.
type Expiry struct {
	At        int64 // unix seconds
	Pages     []int
	PlanParts int // how many parts the plan has; all expire
	Manifest  bool
}

// ErrNotFound says that the ledger has no such item.
var ErrNotFound = errors.New("billing: not in the ledger")

// ErrFenced says that the head is no longer as the step expected it: somebody
// else works on the invoice. Nothing of the step was applied.
var ErrFenced = errors.New("billing: the ledger's head was written by somebody else")

// ErrBusy says that the ledger could not take the step now (a conflict, a
// throttle, a lost answer). It may have been applied; the same step can be
// repeated and is recognised by its Write.
var ErrBusy = errors.New("billing: the ledger is busy")

// EventsChanged says that events of a step are not in the state that the step
// needs. Nothing of the step was applied.
type EventsChanged struct {
	Events []ChangedEvent
}

// ChangedEvent is one event as it was found.
type ChangedEvent struct {
	EventKey

	Status         string // empty when the event is gone
	InvoiceID      string
	FinalInvoiceID string
}

// Contains reports whether the event changed.
func (e *EventsChanged) Contains(key EventKey) bool {
	return slices.ContainsFunc(e.Events, func(found ChangedEvent) bool { return found.EventKey == key })
}

func (e *EventsChanged) Error() string {
	return fmt.Sprintf("billing: %d events are not as the step needs them", len(e.Events))
}

// The status of an event; an absent one counts as unbilled.
const (
	EventUnbilled = "unbilled"
	EventClaimed  = "claimed"
	EventBilled   = "billed"
)
