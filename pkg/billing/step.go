package billing

import (
	"errors"
	"fmt"
	"slices"
)

// Step is an atomic change of the ledger and of billable events: the record of an invoice, and everything that
// changes with it.
type Step struct {
	PreviousVersion string // the version that the record must have; empty if there must be no record
	Record          Record // the new record; its Version identifies this step

	Manifest *Manifest // the manifest of a new epoch
	Claim    *Page     // a new page; its events must be unbilled and unchanged
	Date     int64     // of the invoice, unix seconds; stored with the subscriptions of Claim
	Plan     *Plan     // the plan of the epoch

	Final bool // stores Record.FinalInvoiceID as another key of the record

	Bill        []Event    // claimed events that become billed; their values must be as claimed
	BillChanged []EventKey // claimed events that become billed, whatever their values

	// Release has the events that become unbilled: claimed ones, or billed ones if Record.Outcome is Released.
	Release []EventKey
	Restore []Rewritten // unbilled events that become billed again on their invoice
	Reclaim []Event     // unbilled events that become claimed again; a page of the epoch has them already

	Expire Expiry
}

// The limits of one step: the number of items, and their total size in bytes without the record.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
const (
	maxActions = 100
	maxSize    = 4<<20 - 64<<10 // 64 KB remain for the record
)

// MaxExpiring is the maximum number of pages in the Expire of a step that changes only the record besides.
const MaxExpiring = maxSize / MaxPageSize

// Fits reports whether the step is within the limits. It counts each item of the epoch, and the events together,
// with their maximum size.
func (s Step) Fits() bool {
	size := MaxPageSize * s.epochItems()
	if s.eventItems() > 0 {
		size += MaxEventsSize
	}
	return s.Actions() <= maxActions && size <= maxSize
}

// Actions returns the number of items that the step changes.
func (s Step) Actions() int {
	actions := 1 + s.epochItems() + s.eventItems()
	if s.Final {
		actions++
	}
	return actions
}

// epochItems returns the number of items of the epoch that the step changes: manifest, pages and parts of the plan.
func (s Step) epochItems() int {
	items := len(s.Expire.Pages) + s.Expire.PlanParts
	for _, isChanged := range []bool{s.Manifest != nil, s.Claim != nil, s.Expire.Manifest} {
		if isChanged {
			items++
		}
	}
	if s.Plan != nil {
		items += len(s.Plan.Parts())
	}
	return items
}

// eventItems returns the number of events, and of subscriptions of newly claimed events, that the step changes.
func (s Step) eventItems() int {
	items := len(s.Bill) + len(s.BillChanged) + len(s.Release) + len(s.Restore) + len(s.Reclaim)
	if s.Claim != nil {
		items += len(s.Claim.Events) + len(s.Claim.Subscriptions())
	}
	return items
}

// Expiry selects items of an epoch, whose TTL is set to the time At.
type Expiry struct {
	At        int64 // unix seconds
	Pages     []int // page numbers
	PlanParts int   // number of all parts of the plan; 0 if they do not expire
	Manifest  bool
}

// ErrNotFound means that the ledger has no such item.
var ErrNotFound = errors.New("billing: not in the ledger")

// ErrFenced means that the record has another version than the step requires: another process wrote
// it. Nothing of the step was applied.
var ErrFenced = errors.New("billing: fenced: the record was written by another process")

// ErrBusy means that the ledger did not confirm the step (conflict, throttling, lost response). The step may have
// been applied. It can be repeated: the ledger recognises it by Record.Version.
var ErrBusy = errors.New("billing: the ledger is busy")

// EventsChanged is the error for events that are not in the state that the step requires. Nothing of
// the step was applied.
type EventsChanged struct {
	Events []ChangedEvent
}

// ChangedEvent is one event as the step found it.
type ChangedEvent struct {
	EventKey

	Status         string // empty if the event does not exist
	InvoiceID      string
	FinalInvoiceID string
	Current        Event // the values that were found
}

// IsUnbilledAs reports whether the event is unbilled and has the same charge as the given event.
func (e ChangedEvent) IsUnbilledAs(event Event) bool {
	return e.Status == EventUnbilled && e.Current.hasChargeOf(event)
}

// hasChargeOf reports whether two versions of an event have the same charge. It does not compare descriptions,
// because those on pages are cut.
func (e Event) hasChargeOf(other Event) bool {
	return e.OccurredAt == other.OccurredAt && e.ChargeCode == other.ChargeCode && e.CurrencyCode == other.CurrencyCode &&
		e.Amount == other.Amount && e.Quantity == other.Quantity && e.Fault == other.Fault
}

// Contains reports whether the event is one of Events.
func (e *EventsChanged) Contains(key EventKey) bool {
	return slices.ContainsFunc(e.Events, func(found ChangedEvent) bool { return found.EventKey == key })
}

func (e *EventsChanged) Error() string {
	return fmt.Sprintf("billing: %d events are not in the state that the step requires", len(e.Events))
}

// The statuses of an event. An event without a status is unbilled.
const (
	EventUnbilled = "unbilled"
	EventClaimed  = "claimed"
	EventBilled   = "billed"
	EventVoid     = "void" // withdrawn by its producer
)
