package billing

// State is where the settlement of an invoice stands.
type State string

// The states. doc.go of package settlement draws how they follow each other.
const (
	Claiming  State = "claiming"
	Charging  State = "charging"
	Closing   State = "closing"
	Settling  State = "settling"
	Releasing State = "releasing"
	Rejected  State = "rejected"
	Finished  State = "done"
)

// Result is how a finished invoice ended.
type Result string

// The results.
const (
	Closed   Result = "closed"    // our lines stand on a closed invoice
	LeftOpen Result = "left_open" // charged, and not closed as configured
	Empty    Result = "empty"     // no line at all: Chargebee cannot close it
	Gone     Result = "gone"      // closed or deleted by somebody else, and we had nothing to charge
)

// HeadVersion is the version of the ledger's layout that this program writes and understands.
// A program leaves a newer one to one that knows it, so that a release can be rolled out, and
// back, while invoices are in progress.
const SchemaVersion = 3

// Head is the ledger's word on one pending invoice: where its settlement stands
// and who works on it. Times are unix seconds, 0 means never.
type Record struct {
	InvoiceID string
	State     State
	Resume    State // rejected: the state that it left

	Owner        string // random per handling; empty when nobody works on it
	Acquisitions int64  // the fence: grows with every taking
	Version      string // random per write: the next one is conditioned on it
	LeaseUntil   int64
	Attempts     int // handlings without progress, in a row

	Epoch        string // names the claim: manifest, pages and plan
	Pages        int    // pages of claimed events
	Cursor       int    // lines below it are added, lines above it were never sent
	SendingSince int64  // when the line at the cursor was first sent in this round
	InDoubt      bool   // the line at the cursor may stand on the invoice
	MissingSince int64  // when the draft was first seen to be gone

	CloseRefusals int // refusals of close: each leads to a new idempotency key

	Dispositions   Dispositions // of the lines, once the draft is gone
	ProcessedPages int          // pages that were settled or released
	Outcome        Result
	Reason         Reason // of the rejection, or of the rejection to come
	Detail         string
	FinalInvoiceID string

	UpdatedAt     int64
	ExpiresAt     int64
	SchemaVersion int
}

// HoldsClaims tells whether events are claimed for the invoice: always, but when it is
// finished, when they were given back, or when a verdict that holds nothing was carried out.
func (h Record) HoldsClaims() bool {
	switch {
	case h.State == Finished:
		return false
	case h.State == Rejected && h.Resume == Claiming:
		return false
	case h.State == Rejected && h.Dispositions != "":
		return h.Dispositions.Has(ChargeUnknown) || h.ProcessedPages < h.Pages
	default:
		return true
	}
}

// GivenBack tells whether all events that were claimed for the invoice are unbilled
// again: the next message claims anew.
func (h Record) ClaimsReleased() bool {
	return h.State == Rejected && !h.HoldsClaims() && !h.Dispositions.Has(Charged)
}

// PlannedAgain reports whether the claims were released without a rejection: the invoice had
// changed before it was charged, and its message begins a new epoch.
func (h Record) Replanned() bool { return h.State == Rejected && h.Reason == "" }

// Sending tells whether a call that adds the line at the cursor may be on its way.
func (h Record) IsSending() bool { return h.SendingSince != 0 }
