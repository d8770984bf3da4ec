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

// Outcome is the end of a finished invoice.
type Outcome string

// The outcomes.
const (
	Closed   Outcome = "closed"    // charged and closed
	LeftOpen Outcome = "left_open" // charged, and left open as configured
	Empty    Outcome = "empty"     // without any line: Chargebee does not close it
	Gone     Outcome = "gone"      // closed or deleted elsewhere, with nothing to charge
	Released Outcome = "released"  // charged, and its events released after the invoice was voided or deleted
)

// SchemaVersion is the version of the ledger's schema that this program writes and reads. A program
// defers records of a newer version, so that a release can be rolled out, and back, while invoices
// are in progress.
const SchemaVersion = 3

// Record is the state of one invoice in the ledger, and its current owner. Times are unix seconds; 0
// means never.
type Record struct {
	InvoiceID string
	State     State
	Resume    State // Rejected: the state in which a later message resumes it

	Owner        string // random per session; empty if the lease was released
	Acquisitions int64  // how many sessions acquired it; for display only
	Version      string // random per write; the next write is conditioned on it
	LeaseUntil   int64
	Attempts     int // consecutive sessions without progress

	Epoch        string // identifies the items of a claim: manifest, pages and plan
	Pages        int    // pages of claimed events
	Cursor       int    // lines below it are added; lines above it were never sent
	SendingSince int64  // when the line at the cursor was first sent; 0 once it is resolved
	SentWith     string // id of the API key with which it was first sent
	InDoubt      bool   // the line at the cursor may be on the invoice
	MissingSince int64  // since when the draft is missing or not pending
	Refused      bool   // the call for the line at the cursor was refused, and the draft was missing then

	CloseRefusals int // how many times close was refused; part of its idempotency key

	Dispositions   Dispositions // of the lines, once the draft is no longer pending
	ProcessedPages int          // pages whose events are billed or released
	Outcome        Outcome
	Reason         Reason // of the rejection, also while it is being applied
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

// HoldsClaims reports whether events may be claimed for the invoice. None are if it is finished, if
// they were released, or if all of them are billed or released.
func (r Record) HoldsClaims() bool {
	switch {
	case r.State == Finished:
		return false
	case r.State == Rejected && r.Resume == Claiming:
		return false
	case r.State == Rejected && r.Dispositions != "":
		return r.Dispositions.Has(ChargeUnknown) || r.ProcessedPages < r.Pages
	default:
		return true
	}
}

// HasBilled reports whether the invoice is settled and events are billed on it.
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

// ClaimsReleased reports whether all events that were claimed for the invoice are unbilled again. The
// next message begins a new epoch.
func (r Record) ClaimsReleased() bool {
	return r.State == Rejected && !r.HoldsClaims() && !r.Dispositions.Has(Charged)
}

// ReleasesAll reports whether all events of the epoch are unbilled again, or become so.
func (r Record) ReleasesAll() bool {
	return r.ClaimsReleased() || r.State == Releasing || r.Resume == Releasing || r.Outcome == Released
}

// Replanned reports whether the claims were released because the invoice changed before it was
// charged. Its message begins a new epoch.
func (r Record) Replanned() bool { return r.State == Rejected && r.Reason == "" }

// IsSending reports whether a call that adds the line at the cursor may be in flight.
func (r Record) IsSending() bool { return r.SendingSince != 0 }
