package inspect

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/billing"
)

// Ledger reads the whole ledger.
type Ledger interface {
	// Heads returns the heads of all invoices, in no order.
	Records(ctx context.Context) iter.Seq2[billing.Record, error]
}

// Filter chooses invoices. What is empty chooses all.
type Filter struct {
	States   []billing.State
	Outcomes []billing.Result
	Reasons  []billing.Reason
	Held     bool      // only those for which events are claimed
	Since    time.Time // last written then or later
}

func (f Filter) selects(record billing.Record) bool {
	return isSelected(f.States, record.State) &&
		isSelected(f.Outcomes, record.Outcome) &&
		isSelected(f.Reasons, record.Reason) &&
		(!f.Held || record.HoldsClaims()) &&
		(f.Since.IsZero() || record.UpdatedAt >= f.Since.Unix())
}

func isSelected[Word comparable](wanted []Word, found Word) bool {
	return len(wanted) == 0 || slices.Contains(wanted, found)
}

// ParseStates reads a list of states, divided by commas.
func ParseStates(list string) ([]billing.State, error) {
	return parse(list, []billing.State{
		billing.Claiming, billing.Charging, billing.Closing, billing.Settling, billing.Releasing, billing.Rejected, billing.Finished,
	})
}

// ParseOutcomes reads a list of outcomes, divided by commas.
func ParseOutcomes(list string) ([]billing.Result, error) {
	return parse(list, []billing.Result{billing.Closed, billing.LeftOpen, billing.Empty, billing.Gone})
}

// ParseReasons reads a list of reasons, divided by commas.
func ParseReasons(list string) ([]billing.Reason, error) {
	return parse(list, billing.Reasons())
}

// parse reads a list of known words.
func parse[Word ~string](list string, known []Word) ([]Word, error) {
	var words []Word
	for part := range strings.SplitSeq(list, ",") {
		word := Word(strings.TrimSpace(part))
		if word == "" {
			continue
		}
		if !slices.Contains(known, word) {
			return nil, fmt.Errorf("%q is none of %s", word, join(known))
		}
		words = append(words, word)
	}
	return words, nil
}

func join[Word ~string](words []Word) string {
	texts := make([]string, len(words))
	for i, word := range words {
		texts[i] = string(word)
	}
	return strings.Join(texts, ", ")
}

// ParseSince reads a moment: how long before now, as 48h, or in RFC 3339.
func ParseSince(value string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(value); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	moment, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is neither a duration, as 48h, nor a time, as 2006-01-02T15:04:05Z", value)
	}
	return moment, nil
}

// Listing is the invoices that a filter chooses.
type Listing struct {
	Invoices []Summary `json:"invoices"` // the one that was written last comes last
}

// Summary is what a list says of an invoice: enough to know which to look at. Absent values
// are null.
type Summary struct {
	InvoiceID      string     `json:"invoice_id"`
	State          string     `json:"state"`
	Resume         *string    `json:"resume"`
	Outcome        *string    `json:"outcome"`
	Reason         *string    `json:"reason"`
	Held           bool       `json:"held"` // events are claimed for it
	Owned          bool       `json:"owned"`
	Attempts       int        `json:"attempts"`
	SendingSince   *time.Time `json:"sending_since"`
	GoneAt         *time.Time `json:"gone_at"`
	FinalInvoiceID *string    `json:"final_invoice_id"`
	UpdatedAt      *time.Time `json:"updated_at"`

	updated int64 // unix seconds
}

// List reads the whole ledger and returns the invoices that the filter chooses at now. Of
// each only a summary is kept. progress is told of each head that was read.
func List(ctx context.Context, ledger Ledger, filter Filter, now time.Time, progress func()) (Listing, error) {
	listing := Listing{Invoices: []Summary{}}
	for record, err := range ledger.Records(ctx) {
		if err != nil {
			return listing, err
		}
		progress()
		if filter.selects(record) {
			listing.Invoices = append(listing.Invoices, summarize(record, now))
		}
	}
	slices.SortFunc(listing.Invoices, func(a, b Summary) int {
		return cmp.Or(cmp.Compare(a.updated, b.updated), cmp.Compare(a.InvoiceID, b.InvoiceID))
	})
	return listing, nil
}

func summarize(record billing.Record, now time.Time) Summary {
	return Summary{
		InvoiceID:      record.InvoiceID,
		State:          string(record.State),
		Resume:         text(record.Resume),
		Outcome:        text(record.Outcome),
		Reason:         text(record.Reason),
		Held:           record.HoldsClaims(),
		Owned:          record.Owner != "" && now.Unix() < record.LeaseUntil,
		Attempts:       record.Attempts,
		SendingSince:   instant(record.SendingSince),
		GoneAt:         instant(record.MissingSince),
		FinalInvoiceID: text(record.FinalInvoiceID),
		UpdatedAt:      instant(record.UpdatedAt),
		updated:        record.UpdatedAt,
	}
}
