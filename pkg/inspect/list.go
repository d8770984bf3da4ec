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
	"github.com/billable-events/billable/pkg/nullable"
)

// Ledger reads the whole ledger.
type Ledger interface {
	// Records returns the records of all invoices, in no order.
	Records(ctx context.Context) iter.Seq2[billing.Record, error]
}

// Filter selects invoices. An empty field selects all.
type Filter struct {
	States   []billing.State
	Outcomes []billing.Result
	Reasons  []billing.Reason
	Held     bool      // only invoices that hold claims
	Since    time.Time // updated then or later
}

func (f Filter) selects(record billing.Record) bool {
	return contains(f.States, record.State) &&
		contains(f.Outcomes, record.Outcome) &&
		contains(f.Reasons, record.Reason) &&
		(!f.Held || record.HoldsClaims()) &&
		(f.Since.IsZero() || record.UpdatedAt >= f.Since.Unix())
}

func contains[T comparable](wanted []T, found T) bool {
	return len(wanted) == 0 || slices.Contains(wanted, found)
}

// ParseStates parses a list of states, separated by commas.
func ParseStates(list string) ([]billing.State, error) {
	return parse(list, []billing.State{
		billing.Claiming, billing.Charging, billing.Closing, billing.Settling, billing.Releasing, billing.Rejected, billing.Finished,
	})
}

// ParseOutcomes parses a list of outcomes, separated by commas.
func ParseOutcomes(list string) ([]billing.Result, error) {
	return parse(list, []billing.Result{billing.Closed, billing.LeftOpen, billing.Empty, billing.Gone})
}

// ParseReasons parses a list of reasons, separated by commas.
func ParseReasons(list string) ([]billing.Reason, error) {
	return parse(list, billing.Reasons())
}

func parse[T ~string](list string, allowed []T) ([]T, error) {
	var values []T
	for part := range strings.SplitSeq(list, ",") {
		value := T(strings.TrimSpace(part))
		if value == "" {
			continue
		}
		if !slices.Contains(allowed, value) {
			return nil, fmt.Errorf("invalid value %q: must be one of %s", value, strings.ReplaceAll(strings.Trim(fmt.Sprint(allowed), "[]"), " ", ", "))
		}
		values = append(values, value)
	}
	return values, nil
}

// ParseSince parses a time in RFC 3339, or a duration before now, for example 48h.
func ParseSince(value string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(value); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	since, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return time.Time{}, fmt.Errorf("invalid time %q: use a duration like 48h or a time like 2006-01-02T15:04:05Z", value)
	}
	return since, nil
}

// Listing has the invoices that a filter selects.
type Listing struct {
	Invoices []Summary `json:"invoices"` // by last update
}

// Summary is an invoice in a list. Absent values are null.
type Summary struct {
	InvoiceID      string     `json:"invoice_id"`
	State          string     `json:"state"`
	Resume         *string    `json:"resume"`
	Outcome        *string    `json:"outcome"`
	Reason         *string    `json:"reason"`
	Held           bool       `json:"held"` // it holds claims
	Owned          bool       `json:"owned"`
	Attempts       int        `json:"attempts"`
	SendingSince   *time.Time `json:"sending_since"`
	GoneAt         *time.Time `json:"gone_at"`
	FinalInvoiceID *string    `json:"final_invoice_id"`
	UpdatedAt      *time.Time `json:"updated_at"`

	updated int64 // unix seconds
}

// List reads the whole ledger and returns the invoices that the filter selects. It calls progress for
// each record.
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
		Resume:         nullable.String(record.Resume),
		Outcome:        nullable.String(record.Outcome),
		Reason:         nullable.String(record.Reason),
		Held:           record.HoldsClaims(),
		Owned:          record.Owner != "" && now.Unix() < record.LeaseUntil,
		Attempts:       record.Attempts,
		SendingSince:   nullable.Unix(record.SendingSince),
		GoneAt:         nullable.Unix(record.MissingSince),
		FinalInvoiceID: nullable.String(record.FinalInvoiceID),
		UpdatedAt:      nullable.Unix(record.UpdatedAt),
		updated:        record.UpdatedAt,
	}
}
