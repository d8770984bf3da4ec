package billing

import (
	"cmp"
	"time"
)

// State is the state of the settlement of an invoice.
type State string

// The states. Package settlement documents their transitions.
const (
	Claiming  State = "claiming"
	Charging  State = "charging"
	Closing   State = "closing"
	Settling  State = "settling"
	Releasing State = "releasing"
	Rejected  State = "rejected"
	Finished  State = "done"
)

// Outcome is the outcome of a finished invoice.
type Outcome string

// The outcomes.
const (
	Closed   Outcome = "closed"    // the invoice has all charges and is closed
	LeftOpen Outcome = "left_open" // left open as configured, once its charges, if any, were added
	Empty    Outcome = "empty"     // the invoice has no lines at all: Chargebee does not close it
	Gone     Outcome = "gone"      // the invoice was closed or deleted elsewhere, and there was nothing to charge
	Released Outcome = "released"  // the invoice was charged, then voided or deleted, and its events were released
)

// SchemaVersion is the version of the ledger's schema that this program writes. A message is deferred while
// its record has a newer version, so that a new version of the program can be rolled out, and back, while invoices
// are in progress.
const SchemaVersion = 3

// Record is the state of one invoice in the ledger, and its current owner. Times are unix seconds; 0 is not set.
type Record struct {
	InvoiceID string // of the draft
	State     State
	Resume    State // if Rejected: the state in which a later message resumes

	Owner        string // random per session; empty if the lease was released
	Acquisitions int64  // number of sessions that acquired the record; for display only
	Version      string // random per write; the next write is conditioned on it
	LeaseUntil   int64
	Attempts     int // consecutive sessions without progress

	Epoch        string // identifies the manifest, the pages and the plan
	Pages        int    // number of pages
	Cursor       int    // charges below it are added; lines above it were never sent
	SendingSince int64  // when the line at the cursor was first sent; 0 if it was not, or its effect is known
	SentWith     string // id of the API key with which that line was first sent
	InDoubt      bool   // that line may be on the invoice
	MissingSince int64  // when the draft was first read as missing
	Refused      bool   // the first call for that line was refused, and the draft was missing then

	CloseRefusals int // number of refused or replayed closes; part of the idempotency key of the next

	Dispositions   Dispositions
	ProcessedPages int // pages whose events are settled as decided; without pages, steps that released unrecorded events
	Outcome        Outcome
	Reason         Reason // of the rejection, also while the state is Settling or Releasing
	Detail         string
	FinalInvoiceID string

	UpdatedAt     int64
	ExpiresAt     int64
	SchemaVersion int
}

// IsLeased reports whether a session has the lease of the invoice at now.
func (r Record) IsLeased(now time.Time) bool {
	return r.Owner != "" && now.Unix() < r.LeaseUntil
}

// CurrentInvoiceID returns the id of the final invoice that the draft became, or else of the draft.
func (r Record) CurrentInvoiceID() string { return cmp.Or(r.FinalInvoiceID, r.InvoiceID) }

// HoldsClaims reports whether events may be claimed for the invoice. None are if it is finished, or if it is
// rejected and all events of its pages are billed or released.
func (r Record) HoldsClaims() bool {
	switch {
	case r.State == Finished:
		return false
	case r.State == Rejected && r.Resume == Claiming: // they were released
		return false
	case r.State == Rejected && r.Dispositions != "":
		return r.Dispositions.Has(ChargeUnknown) || r.ProcessedPages < r.Pages
	default:
		return true
	}
}

// HasBilled reports whether the invoice holds no claims and events are billed on it.
func (r Record) HasBilled() bool {
	switch {
	case r.Pages == 0 || r.HoldsClaims():
		return false
	case r.State == Finished:
		return r.Outcome == Closed || r.Outcome == LeftOpen
	default:
		return r.Dispositions.Has(Charged)
	}
}

// ClaimsReleased reports whether the invoice is rejected and all events that were claimed for it are unbilled
// again. The next message begins a new epoch.
func (r Record) ClaimsReleased() bool {
	return r.State == Rejected && !r.HoldsClaims() && !r.Dispositions.Has(Charged)
}

// ReleasesAll reports whether all events of the epoch were released or are being released.
func (r Record) ReleasesAll() bool {
	return r.ClaimsReleased() || r.State == Releasing || r.Resume == Releasing || r.Outcome == Released
}

// Replanned reports whether the claims were released without a rejection, so that the message begins a new epoch:
// the invoice changed before it was charged.
func (r Record) Replanned() bool { return r.State == Rejected && r.Reason == "" }

// IsSending reports whether the line at the cursor is being sent, or was sent with an unknown effect.
func (r Record) IsSending() bool { return r.SendingSince != 0 }
