package reconcile_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/finding"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/reconcile"
)

func deadLetterOf(id string) queue.Message {
	return queue.Message{Body: []byte("no event"), Attributes: map[string]string{queue.AttributeInvoiceID: id}}
}

// The dead-letter queue is browsed only if necessary.
func TestSweeper_OrphanedClaims(t *testing.T) {
	t.Parallel()
	rejected := func(id string, resume billing.State) billing.Record {
		return billing.Record{InvoiceID: id, State: billing.Rejected, Resume: resume, Pages: 1, UpdatedAt: ago(time.Hour)}
	}
	held, other := rejected("held", billing.Charging), rejected("other", billing.Settling)
	released, lately, without := rejected("released", billing.Claiming), rejected("lately", billing.Charging), rejected("without", billing.Charging)
	lately.UpdatedAt, without.Pages = ago(time.Minute), 0
	stuck := billing.Record{InvoiceID: "stuck", State: billing.Settling, Pages: 2, UpdatedAt: ago(time.Hour)}
	done := billing.Record{InvoiceID: "done", State: billing.Finished, Pages: 2, UpdatedAt: ago(time.Hour)}
	for name, test := range map[string]struct {
		records []billing.Record
		env     *env
		browsed int
		want    string
	}{
		"nothing held":           {records: []billing.Record{released, lately, without, done}, env: &env{}},
		"with its dead letter":   {records: []billing.Record{held}, env: &env{deadLetters: []queue.Message{deadLetterOf("x"), deadLetterOf("held")}}, browsed: 1},
		"without":                {records: []billing.Record{held}, env: &env{deadLetters: []queue.Message{deadLetterOf("x")}}, browsed: 1, want: "error [held]"},
		"one of two":             {records: []billing.Record{held, other}, env: &env{deadLetters: []queue.Message{deadLetterOf("held")}}, browsed: 1, want: "error [other]"},
		"unfinished, not open":   {records: []billing.Record{stuck}, env: &env{}, browsed: 1, want: "error [stuck]"},
		"enqueued just now":      {records: []billing.Record{stuck}, env: &env{pending: []billing.Invoice{invoice("stuck", 2*time.Hour)}}},
		"incomplete":             {records: []billing.Record{held}, env: &env{hidden: true}, browsed: 1, want: "warning [held]"},
		"the queue is not empty": {records: []billing.Record{held}, env: &env{backlog: reconcile.Backlog{Visible: 1}}, browsed: 1, want: "warning [held]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := test.env
			e.records = map[string]billing.Record{}
			for _, record := range test.records {
				e.records[record.InvoiceID] = record
			}
			swept, err := e.sweep(t, options())
			if err != nil || e.browsed != test.browsed {
				t.Fatalf("browsed %d times: %+v, %v", e.browsed, swept, err)
			}
			got := ""
			for _, found := range swept.Findings {
				if found.Name == "orphaned_claims" {
					got = fmt.Sprint(found.Level, " ", found.Examples)
				}
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// A rejected invoice that is still pending needs a dead letter, also if its claims were released.
func TestSweeper_RejectedWithoutDeadLetter(t *testing.T) {
	t.Parallel()
	released := billing.Record{InvoiceID: "released", State: billing.Rejected, Resume: billing.Claiming, Reason: billing.AboveLimit, Pages: 1, UpdatedAt: ago(time.Hour)}
	recent := released
	recent.UpdatedAt = ago(time.Minute)
	pending := []billing.Invoice{invoice("released", 2*time.Hour)}
	for name, test := range map[string]struct {
		record billing.Record
		env    *env
		want   string
	}{
		"without":                {record: released, env: &env{pending: pending}, want: "error [released]"},
		"with its dead letter":   {record: released, env: &env{pending: pending, deadLetters: []queue.Message{deadLetterOf("released")}}},
		"no longer pending":      {record: released, env: &env{}},
		"rejected just now":      {record: recent, env: &env{pending: pending}},
		"incomplete":             {record: released, env: &env{pending: pending, hidden: true}, want: "warning [released]"},
		"the queue is not empty": {record: released, env: &env{pending: pending, backlog: reconcile.Backlog{Visible: 1}}, want: "warning [released]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := test.env
			e.records = map[string]billing.Record{"released": test.record}
			swept, err := e.sweep(t, options())
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, found := range swept.Findings {
				if found.Name == "rejected_without_dead_letter" {
					got = fmt.Sprint(found.Level, " ", found.Examples)
				}
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestSweeper_UnbilledEvents(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	e := &env{}
	add := func(subscription string, count int, age time.Duration) {
		for i := range count {
			e.unbilled = append(e.unbilled, billing.Event{
				EventKey:   billing.EventKey{SubscriptionID: subscription, EventID: fmt.Sprintf("e%03d", i)},
				OccurredAt: ago(age + time.Duration(i)*time.Second),
			})
		}
	}
	add("fresh", 5, 34*day)
	add("small", 2, 50*day)
	add("large", 30, 40*day)
	add("tomorrow", 1, -day)
	add("wrong", 3, -2*day)
	for i := range 12 {
		add(fmt.Sprintf("single_%02d", i), 1, 36*day)
	}
	swept, err := e.sweep(t, options())
	if err != nil || len(swept.Findings) != 2 {
		t.Fatalf("%+v, %v", swept, err)
	}
	old, future := swept.Findings[0], swept.Findings[1]
	if old.Name != "old_unbilled_events" || old.Level != finding.Warning || old.Count != 44 || len(old.Examples) != 10 || old.Examples[0] != "large/e000" {
		t.Errorf("got %+v", old)
	}
	if !old.Oldest.Equal(start.Add(-50*day-time.Second)) || !old.Newest.Equal(start.Add(-36*day)) {
		t.Errorf("from %s to %s", old.Oldest, old.Newest)
	}
	if parts := old.Subscriptions; len(parts) != 10 || parts[0] != (reconcile.SubscriptionCount{SubscriptionID: "large", Count: 30}) || parts[1] != (reconcile.SubscriptionCount{SubscriptionID: "small", Count: 2}) {
		t.Errorf("got %+v", parts)
	}
	if future.Name != "future_unbilled_events" || future.Count != 3 || fmt.Sprint(future.Examples) != "[wrong/e000 wrong/e001 wrong/e002]" {
		t.Errorf("got %+v", future)
	}
}

func TestSweeper_CreditsNotNetted(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	e := &env{}
	add := func(code, amount string, age time.Duration) {
		e.unbilled = append(e.unbilled, billing.Event{
			EventKey:   billing.EventKey{SubscriptionID: "sub", EventID: fmt.Sprint(len(e.unbilled))},
			ChargeCode: code, Amount: amount, OccurredAt: ago(age),
		})
	}
	add("never", "-10.5", 50*day)
	add("never", "4", 40*day)
	add("lately", "-10", 5*day)
	add("netted", "-10", 40*day)
	add("netted", "12", 40*day)
	swept, err := e.sweep(t, options())
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range swept.Findings {
		switch found.Name {
		case "credits_not_netted":
			if found.Count != 1 || fmt.Sprint(found.Examples) != "[sub/never: -6.5]" || !found.Oldest.Equal(start.Add(-50*day)) {
				t.Errorf("got %+v", found)
			}
		case "old_unbilled_events":
			if found.Count != 2 { // charges only: 4 and 12
				t.Errorf("got %+v", found)
			}
		}
	}
	if len(swept.Findings) != 2 {
		t.Errorf("got %+v", swept.Findings)
	}
}

func TestSweeper_ReportsBacklog(t *testing.T) {
	t.Parallel()
	e := &env{backlog: reconcile.Backlog{Visible: 3, InFlight: 2, Delayed: 1}}
	swept, err := e.sweep(t, options())
	if err != nil || swept.Queue == nil || *swept.Queue != e.backlog || len(swept.Findings) != 1 || swept.Findings[0].Name != "queue_not_empty" || swept.Findings[0].Count != 6 {
		t.Errorf("%+v, %v", swept, err)
	}
}

// Claims of invoices that the ledger does not have are looked for only if that is wanted.
func TestSweeper_ClaimsWithoutRecord(t *testing.T) {
	t.Parallel()
	record := func(id string, state billing.State, idle time.Duration) billing.Record {
		return billing.Record{InvoiceID: id, State: state, Pages: 1, UpdatedAt: ago(idle)}
	}
	e := &env{
		records: map[string]billing.Record{
			"charging": record("charging", billing.Charging, time.Minute),
			"settled":  record("settled", billing.Finished, time.Minute), // since its events were read
			"done":     record("done", billing.Finished, time.Hour),
		},
	}
	for i, id := range []string{"charging", "settled", "done", "none", "none"} {
		e.claimed = append(e.claimed, billing.ClaimedEvent{EventKey: billing.EventKey{SubscriptionID: "sub", EventID: fmt.Sprint(i)}, InvoiceID: id})
	}
	for check, want := range map[bool]string{false: "", true: "error [done none]"} {
		options := options()
		options.CheckClaims = check
		swept, err := e.sweep(t, options)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, found := range swept.Findings {
			if found.Name == "claims_without_record" {
				got = fmt.Sprint(found.Level, " ", found.Examples)
				if found.Oldest == nil || found.Oldest.Unix() != ago(time.Hour) { // none has no time
					t.Errorf("the oldest is %v", found.Oldest)
				}
			}
		}
		if got != want {
			t.Errorf("check %t: got %q, want %q", check, got, want)
		}
	}
}

// A producer writes occurred_at in milliseconds: JSON cannot represent the year.
func TestSweeper_EventInMilliseconds(t *testing.T) {
	t.Parallel()
	e := &env{unbilled: []billing.Event{{EventKey: billing.EventKey{SubscriptionID: "sub", EventID: "e"}, OccurredAt: ago(0) * 1000}}}
	swept, err := e.sweep(t, options())
	if err != nil || len(swept.Findings) != 1 || swept.Findings[0].Newest != nil {
		t.Errorf("%+v, %v", swept, err)
	}
	if _, err := json.Marshal(swept); err != nil {
		t.Error(err)
	}
}
