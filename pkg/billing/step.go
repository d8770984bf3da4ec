package billing

import (
	"errors"
	"fmt"
	"slices"
)

// Step is an atomic change of the ledger: the record of an invoice, and everything that changes with
// it.
type Step struct {
	PreviousVersion string // the version that the record must have; empty: there must be none
	Record          Record // the new record; its Version identifies this step

	Manifest *Manifest // a new epoch
	Claim    *Page     // a new page; its events must be unbilled and unchanged
	Date     int64     // of the invoice, unix seconds; the subscriptions of Claim have it from now on
	Plan     *Plan     // the plan of the epoch; written once

	Final bool // Record.FinalInvoiceID is new: the record can be found by it from now on

	// Claimed events that become billed on Record.FinalInvoiceID: those whose values must be as
	// claimed, and those whose values may have changed.
	Bill        []Event
	BillChanged []EventKey

	// Events that become unbilled again. They are claimed, or billed if Record.Outcome is Released.
	Release []EventKey
	Restore []Rewritten // unbilled events that become billed again on their invoice
	Reclaim []Event     // events that a producer made unbilled again, and that become claimed again

	// Expire sets the TTL of items of the epoch.
	Expire Expiry
}

// The limits of one step: the number of items, and their total size in bytes without the record.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
const (
	maxActions = 100
	maxSize    = 4<<20 - 64<<10
)

// MaxExpiring is the maximum number of pages whose TTL a step sets that changes nothing else.
const MaxExpiring = maxSize / MaxPageSize

// Fits reports whether the step is within the limits. Every item counts with its maximum size.
func (s Step) Fits() bool {
	size := MaxPageSize * s.contents()
	if s.events() > 0 {
		size += MaxEventsSize
	}
	return s.Actions() <= maxActions && size <= maxSize
}

// Actions returns the number of items that the step changes.
func (s Step) Actions() int {
	actions := 1 + s.contents() + s.events()
	if s.Final {
		actions++
	}
	return actions
}

// contents returns the number of items of the epoch that the step changes.
func (s Step) contents() int {
	contents := len(s.Expire.Pages) + s.Expire.PlanParts
	for _, included := range []bool{s.Manifest != nil, s.Claim != nil, s.Expire.Manifest} {
		if included {
			contents++
		}
	}
	if s.Plan != nil {
		contents += len(s.Plan.Parts())
	}
	return contents
}

// events returns the number of events, and of subscriptions of claimed events, that the step changes.
func (s Step) events() int {
	events := len(s.Bill) + len(s.BillChanged) + len(s.Release) + len(s.Restore) + len(s.Reclaim)
	if s.Claim != nil {
		events += len(s.Claim.Events) + len(s.Claim.Subscriptions())
	}
	return events
}

// Expiry selects items of an epoch whose TTL is set.
type Expiry struct {
	At        int64 // unix seconds
	Pages     []int
	PlanParts int // number of parts of the plan, all of which expire
	Manifest  bool
}

// ErrNotFound means that the ledger has no such item.
var ErrNotFound = errors.New("billing: not in the ledger")

// ErrFenced means that the record has another version than the step requires: another process wrote
// it. Nothing of the step was applied.
var ErrFenced = errors.New("billing: fenced: the record was written by another process")

// ErrBusy means that the ledger did not confirm the step (conflict, throttling, lost answer). The step
// may have been applied. It can be repeated: it is recognised by its version.
var ErrBusy = errors.New("billing: the ledger is busy")

// EventsChanged is the error for events that are not in the state that the step requires. Nothing of
// the step was applied.
type EventsChanged struct {
	Events []ChangedEvent
}

// ChangedEvent is one event as it was found.
type ChangedEvent struct {
	EventKey

	Status         string // empty if the event does not exist
	InvoiceID      string
	FinalInvoiceID string
	Current        Event // the present values
}

// IsUnbilledAs reports whether the event is unbilled and would be charged as the given one.
func (e ChangedEvent) IsUnbilledAs(event Event) bool {
	return e.Status == EventUnbilled && e.Current.hasChargeOf(event)
}

// hasChargeOf reports whether two versions of an event have the same charge. Descriptions may be cut.
func (e Event) hasChargeOf(other Event) bool {
	return e.OccurredAt == other.OccurredAt && e.ChargeCode == other.ChargeCode && e.CurrencyCode == other.CurrencyCode &&
		e.Amount == other.Amount && e.Quantity == other.Quantity && e.Fault == other.Fault
}

// Contains reports whether the event changed.
func (e *EventsChanged) Contains(key EventKey) bool {
	return slices.ContainsFunc(e.Events, func(found ChangedEvent) bool { return found.EventKey == key })
}

func (e *EventsChanged) Error() string {
	return fmt.Sprintf("billing: %d events are not in the state that the step requires", len(e.Events))
}

// The statuses of an event. An event without one is unbilled.
const (
	EventUnbilled = "unbilled"
	EventClaimed  = "claimed"
	EventBilled   = "billed"
	EventVoid     = "void" // withdrawn by its producer
)
