package settlement_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/settlement"
)

// TestPredictReplay is the table of what a replay would do, by how the ledger has the invoice
// and how Chargebee shows the draft: pending, gone, or not looked at. A cell is what it
// would do, with + if it can still be billed, - if it cannot, and ? if that is open.
func TestPredictReplay(t *testing.T) {
	t.Parallel()
	rejected := func(resume billing.State, record billing.Record) billing.Record {
		record.State, record.Resume, record.Reason = billing.Rejected, resume, billing.LineRemoved
		return record
	}
	for name, test := range map[string]struct {
		head                   billing.Record
		pending, gone, unknown string
		want                   string // of a pending one
	}{
		"no head":  {billing.Record{}, "new_epoch+", "finds_gone-", "new_epoch?", "is not in the ledger"},
		"claiming": {billing.Record{State: billing.Claiming}, "resumes_claiming+", "finds_gone-", "resumes_claiming?", "the remaining events are claimed"},
		"charging, nothing sent": {billing.Record{State: billing.Charging}, "resumes_at_line+", "finds_gone-", "resumes_at_line?",
			"resumes at line 1 of 4; then the invoice is closed"},
		"charging": {billing.Record{State: billing.Charging, Cursor: 2}, "resumes_at_line+", "judges?", "resumes_at_line?", "resumes at line 3 of 4; then"},
		"charging, the first sent": {billing.Record{State: billing.Charging, SendingSince: 1}, "resumes_at_line+", "judges?", "resumes_at_line?",
			"resumes at line 1 of 4, which may have been added: it is sent again with its idempotency key, or read back; then"},
		"charging, all added":           {billing.Record{State: billing.Charging, Cursor: 4}, "resumes_at_line+", "judges?", "resumes_at_line?", "all 4 lines were added; then the invoice"},
		"charging, seen gone":           {billing.Record{State: billing.Charging, Cursor: 1, MissingSince: 1}, "resumes_at_line+", "judges?", "judges?", "resumes at line 2"},
		"closing":                       {billing.Record{State: billing.Closing, Cursor: 4}, "resumes_closing+", "judges?", "resumes_closing?", "all 4 lines were added"},
		"settling":                      {billing.Record{State: billing.Settling, Outcome: billing.Closed, FinalInvoiceID: "inv_1"}, "resumes_billing+", "resumes_billing+", "resumes_billing+", "all its lines are on inv_1"},
		"settling, left open":           {billing.Record{State: billing.Settling, Outcome: billing.LeftOpen}, "resumes_billing+", "resumes_billing+", "resumes_billing+", "are on draft_1"},
		"settling, all stand":           {billing.Record{State: billing.Settling, Dispositions: "ssss"}, "resumes_billing+", "resumes_billing+", "resumes_billing+", "all its lines are on"},
		"settling, some given back":     {billing.Record{State: billing.Settling, Dispositions: "ssrr", Reason: billing.InvoiceNotPending}, "resumes_billing+", "resumes_billing+", "resumes_billing+", "then the message is rejected as invoice_not_pending"},
		"settling, all given back":      {billing.Record{State: billing.Settling, Dispositions: "rrrr", Outcome: billing.Empty}, "resumes_billing-", "resumes_billing-", "resumes_billing-", "is applied"},
		"settling, some held":           {billing.Record{State: billing.Settling, Dispositions: "shrr", Reason: billing.LineRemoved}, "resumes_billing?", "resumes_billing?", "resumes_billing?", "rejected as line_removed"},
		"releasing":                     {billing.Record{State: billing.Releasing, Reason: billing.AboveLimit}, "resumes_release+", "resumes_release-", "resumes_release?", "rejected as above_limit; a replay after that starts over"},
		"closed":                        {billing.Record{State: billing.Finished, Outcome: billing.Closed, FinalInvoiceID: "inv_1"}, "already_billed-", "already_billed-", "already_billed-", "billed on inv_1"},
		"left open":                     {billing.Record{State: billing.Finished, Outcome: billing.LeftOpen}, "already_billed-", "already_billed-", "already_billed-", "was left open"},
		"empty":                         {billing.Record{State: billing.Finished, Outcome: billing.Empty}, "nothing_to_bill-", "nothing_to_bill-", "nothing_to_bill-", "nothing to charge"},
		"gone":                          {billing.Record{State: billing.Finished, Outcome: billing.Gone}, "nothing_to_bill-", "nothing_to_bill-", "nothing_to_bill-", "nothing to charge"},
		"rejected, given back":          {rejected(billing.Claiming, billing.Record{}), "new_epoch+", "finds_gone-", "new_epoch?", "claimed again"},
		"rejected, being given back":    {rejected(billing.Releasing, billing.Record{}), "resumes_release+", "resumes_release-", "resumes_release?", "starts over"},
		"rejected while charging":       {rejected(billing.Charging, billing.Record{Cursor: 2}), "resumes_at_line+", "judges?", "resumes_at_line?", "resumes at line 3 of 4, if the lines before it are on the draft; then"},
		"rejected in doubt":             {rejected(billing.Charging, billing.Record{SendingSince: 1, InDoubt: true}), "resumes_at_line+", "judges?", "resumes_at_line?", "may have been added"},
		"rejected while closing":        {rejected(billing.Closing, billing.Record{Cursor: 4}), "resumes_closing+", "judges?", "resumes_closing?", "read and closed"},
		"rejected while it was settled": {rejected(billing.Settling, billing.Record{}), "resumes_billing+", "resumes_billing+", "resumes_billing+", "all its lines are on"},
		"rejected, all stand":           {rejected(billing.Settling, billing.Record{Dispositions: "ssss"}), "resumes_billing+", "resumes_billing+", "resumes_billing+", "all its lines are on"},
		"rejected, some held":           {rejected(billing.Settling, billing.Record{Dispositions: "sshr"}), "judges?", "judges?", "judges?", "nothing is charged"},
		"rejected, nothing held":        {rejected(billing.Settling, billing.Record{Dispositions: "ssrr"}), "rejected_again-", "rejected_again-", "rejected_again-", "every line is decided"},
		"rejected, all given back":      {rejected(billing.Settling, billing.Record{Dispositions: "rrrr"}), "new_epoch+", "finds_gone-", "new_epoch?", "claimed again"},
		"another session":               {billing.Record{State: billing.Charging, Owner: "o", LeaseUntil: 1001}, "waits+", "waits-", "waits?", "another session"},
		"a lease that ran out":          {billing.Record{State: billing.Charging, Owner: "o", LeaseUntil: 1000}, "resumes_at_line+", "finds_gone-", "resumes_at_line?", "resumes at line 1"},
		"a newer program":               {billing.Record{State: billing.Charging, SchemaVersion: billing.SchemaVersion + 1}, "waits?", "waits?", "waits?", "is newer than this program"},
		"a state that is not known":     {billing.Record{State: "dreaming"}, "rejected_again?", "rejected_again?", "rejected_again?", `unknown state "dreaming"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			input := settlement.ReplayInput{EventType: "pending_invoice_created", Lines: 4, Close: true, Now: time.Unix(1000, 0)}
			if test.head.State != "" {
				record := test.head
				record.InvoiceID = "draft_1"
				input.Record = &record
			}
			for draft, want := range map[string]string{"pending": test.pending, "missing": test.gone, "": test.unknown} {
				input.Pending = nil
				if draft != "" {
					input.Pending = new(draft == "pending")
				}
				replay := settlement.PredictReplay(input)
				if got := cell(replay); got != want {
					t.Errorf("draft %q: got %s, want %s", draft, got, want)
				}
				if draft == "pending" && !strings.Contains(replay.Detail, test.want) {
					t.Errorf("detail = %q, not %q", replay.Detail, test.want)
				}
				if strings.HasPrefix(want, "finds_gone") && !strings.Contains(replay.Detail, "next invoice") {
					t.Errorf("detail = %q", replay.Detail)
				}
			}
		})
	}
}

// cell is a replay in one word.
func cell(replay settlement.Replay) string {
	switch {
	case replay.Billable == nil:
		return string(replay.Prediction) + "?"
	case *replay.Billable:
		return string(replay.Prediction) + "+"
	default:
		return string(replay.Prediction) + "-"
	}
}

// TestPredictReplay_OtherMessages: another message is never billed, whatever is in the ledger.
func TestPredictReplay_OtherMessages(t *testing.T) {
	t.Parallel()
	record := &billing.Record{State: billing.Charging}
	for eventType, want := range map[string]string{"": "unreadable-", "invoice_updated": "ignored-"} {
		if got := cell(settlement.PredictReplay(settlement.ReplayInput{EventType: eventType, Record: record, Pending: new(true)})); got != want {
			t.Errorf("%q: got %s, want %s", eventType, got, want)
		}
	}
}

// TestPredictReplay_Close follows invoice.close.
func TestPredictReplay_Close(t *testing.T) {
	t.Parallel()
	heads := []*billing.Record{nil, {State: billing.Claiming}, {State: billing.Charging}}
	for _, closes := range []bool{true, false} {
		if slices.ContainsFunc(heads, func(record *billing.Record) bool {
			detail := settlement.PredictReplay(settlement.ReplayInput{EventType: "pending_invoice_created", Record: record, Lines: 1, Close: closes}).Detail
			return strings.HasSuffix(detail, "; then the invoice is closed") != closes || strings.HasSuffix(detail, "; then it is left open, as the settings demand") == closes
		}) {
			t.Errorf("closes is %t, and not said", closes)
		}
	}
}

// A new plan is predicted as its preview is.
func TestPredictReplay_Preview(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		preview settlement.Preview
		want    string
		detail  string
	}{
		"closed":    {settlement.Preview{Prediction: settlement.WillClose}, "new_epoch+", "; then the invoice is closed"},
		"left open": {settlement.Preview{Prediction: settlement.WillLeaveOpen}, "new_epoch+", "; then it is left open"},
		"empty":     {settlement.Preview{Prediction: settlement.WillBeEmpty}, "nothing_to_bill-", "nothing to charge"},
		"rejected": {settlement.Preview{Prediction: settlement.WillReject, Reason: billing.InvalidEvent, Detail: "s1/e1: charge_code is missing"},
			"rejected_again+", "it is rejected as invalid_event: s1/e1: charge_code is missing"},
	} {
		for _, record := range []*billing.Record{nil, {State: billing.Rejected, Resume: billing.Claiming}} {
			input := settlement.ReplayInput{EventType: "pending_invoice_created", Record: record, Pending: new(true), Close: true, Preview: &test.preview}
			if got := settlement.PredictReplay(input); cell(got) != test.want || !strings.Contains(got.Detail, test.detail) {
				t.Errorf("%s: got %+v", name, got)
			}
		}
	}
}
