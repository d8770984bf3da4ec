package reconcile_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/event"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/ratelimit/ratelimittest"
	"github.com/billable-events/billable/pkg/reconcile"
)

// env implements all interfaces of a sweep. fails has errors by operation.
type env struct {
	pending     []billing.Invoice
	records     map[string]billing.Record
	changed     []billing.Invoice // listed as changed lately, deleted ones included
	plans       map[string]billing.Plan
	unbilled    []billing.Event
	claimed     []billing.ClaimedEvent
	deadLetters []queue.Message
	backlog     reconcile.Backlog
	hidden      bool // some dead letters are in flight with another reader
	fails       map[string]error
	listErrs    []error // of the first lists
	maxLimit    int     // the largest limit whose response is not too large; 0: any

	mu         sync.Mutex
	sent       []queue.Message
	browsed    int
	paused     []time.Duration
	sending    int // concurrent sends
	maxSending int
}

var errBroken = errors.New("broken")

const perPage = 3

func (e *env) ListInvoices(_ context.Context, permit *ratelimit.Permit, query billing.InvoiceQuery) (billing.InvoicePage, error) {
	offset, listed := query.Offset, e.pending
	if !query.Pending {
		listed = e.changed
		if want := (billing.InvoiceQuery{UpdatedAfter: ago(options().ChangedWithin), IncludeDeleted: true, Limit: query.Limit, Offset: offset}); query != want {
			return billing.InvoicePage{}, fmt.Errorf("got the query %+v, want %+v", query, want)
		}
	}
	if cmp.Or(query.Limit, billing.MaxListed) > e.maxLimit && e.maxLimit > 0 {
		return billing.InvoicePage{}, &billing.Failure{Kind: billing.Unknown, TooLarge: true}
	}
	if err := permit.Spend(); err != nil {
		return billing.InvoicePage{}, err
	}
	if len(e.listErrs) > 0 {
		err := e.listErrs[0]
		e.listErrs = e.listErrs[1:]
		if err != nil {
			return billing.InvoicePage{}, err
		}
	}
	start := 0
	if _, err := fmt.Sscan(offset, &start); offset != "" && err != nil {
		return billing.InvoicePage{}, err
	}
	page := billing.InvoicePage{Invoices: listed[start:min(start+perPage, len(listed))]}
	if start+perPage < len(listed) {
		page.Next = fmt.Sprint(start + perPage)
	}
	return page, nil
}

func (e *env) Acquire(context.Context) (*ratelimit.Permit, error) {
	return ratelimittest.Permit(time.Now), nil
}

func (e *env) Pause(_ *ratelimit.Permit, wait time.Duration) { e.paused = append(e.paused, wait) }

func (e *env) Record(_ context.Context, id string) (billing.Record, bool, error) {
	record, ok := e.records[id]
	return record, ok, e.fails["record"]
}

// FindRecord finds final ids in the records.
func (e *env) FindRecord(ctx context.Context, id string) (billing.Record, bool, error) {
	for _, record := range e.records {
		if record.FinalInvoiceID == id {
			return record, true, e.fails["record"]
		}
	}
	return e.Record(ctx, id)
}

func (e *env) Plan(_ context.Context, invoiceID, _ string) (billing.Plan, error) {
	plan, ok := e.plans[invoiceID]
	if !ok {
		return plan, billing.ErrNotFound
	}
	return plan, e.fails["plan"]
}

func (e *env) Records(context.Context) iter.Seq2[billing.Record, error] {
	return all(slices.Collect(maps.Values(e.records)), e.fails["records"])
}

func (e *env) AllUnbilled(context.Context) iter.Seq2[billing.Event, error] {
	return all(e.unbilled, e.fails["events"])
}

func (e *env) Claimed(context.Context) iter.Seq2[billing.ClaimedEvent, error] {
	return all(e.claimed, e.fails["claimed"])
}

func all[T any](values []T, err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, value := range values {
			if !yield(value, nil) {
				return
			}
		}
		if err != nil {
			var none T
			yield(none, err)
		}
	}
}

func (e *env) Browse(_ context.Context, visit func([]queue.Message) bool) (bool, error) {
	e.browsed++
	for messages := range slices.Chunk(e.deadLetters, 10) {
		if !visit(messages) {
			return false, nil
		}
	}
	return !e.hidden, e.fails["deadLetters"]
}

func (e *env) Send(ctx context.Context, message queue.Message) (string, error) {
	e.mu.Lock()
	e.sending++
	e.maxSending = max(e.maxSending, e.sending)
	e.mu.Unlock()
	time.Sleep(time.Millisecond)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sending--
	if _, bounded := ctx.Deadline(); !bounded {
		return "", errors.New("a send without a deadline")
	}
	if err := e.fails["send "+message.Attributes[queue.AttributeInvoiceID]]; err != nil {
		return "", err
	}
	e.sent = append(e.sent, message)
	return "message_" + message.Attributes[queue.AttributeInvoiceID], nil
}

func (e *env) Backlog(context.Context) (reconcile.Backlog, error) {
	return e.backlog, e.fails["backlog"]
}

func options() reconcile.Options {
	return reconcile.Options{
		OlderThan: time.Hour, EventsOlderThan: 35 * 24 * time.Hour, MaxIdle: 40 * time.Minute, ListDelay: 6 * time.Minute,
		ChangedWithin: 8 * 24 * time.Hour,
		Close:         true, CloseWithoutEvents: true,
	}
}

// sweep runs in virtual time.
func (e *env) sweep(t *testing.T, options reconcile.Options) (swept reconcile.Result, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		sweeper := reconcile.Sweeper{
			Ledger: e, Events: e, DeadLetters: e, Queue: e, Now: time.Now,
			CallSite: func(_ context.Context, call func(reconcile.Site) error) error {
				if err := e.fails["site"]; err != nil {
					return err
				}
				return call(e)
			},
		}
		swept, err = sweeper.Run(t.Context(), options)
	})
	return swept, err
}

// start is the time at which synctest bubbles begin.
var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func ago(d time.Duration) int64 { return start.Add(-d).Unix() }

func invoice(id string, age time.Duration) billing.Invoice {
	return billing.Invoice{
		ID: id, CustomerID: "customer_" + id, SubscriptionID: "sub_" + id, CurrencyCode: "EUR", Status: billing.StatusPending, Date: ago(age),
		Lines: []billing.InvoiceLine{{ID: "li_1", SubscriptionID: "sub_" + id}, {ID: "li_2"}},
	}
}

func TestSweeper_DecidesOnPendingInvoice(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	record := func(state billing.State, idle time.Duration) *billing.Record {
		return &billing.Record{InvoiceID: "draft", State: state, UpdatedAt: ago(idle)}
	}
	finished := func(outcome billing.Outcome, pages int, ago time.Duration) *billing.Record {
		done := record(billing.Finished, ago)
		done.Outcome, done.Pages = outcome, pages
		return done
	}
	leased := record(billing.Charging, 2*time.Hour)
	leased.Owner, leased.LeaseUntil = "owner", start.Add(time.Second).Unix()
	for name, test := range map[string]struct {
		age    time.Duration
		record *billing.Record
		change func(*reconcile.Options)
		want   string // reason to enqueue or to skip, and finding
	}{
		"unknown, old":         {age: day, want: "never_begun"},
		"unknown, an hour old": {age: time.Hour, want: "never_begun"},
		"unknown, young":       {age: time.Hour - time.Second, want: "young"},
		"dated ahead":          {age: -day, want: "young"},
		"unknown, all wanted":  {change: func(r *reconcile.Options) { r.OlderThan = 0 }, want: "never_begun"},

		"claiming, left":       {age: day, record: record(billing.Claiming, time.Hour), want: "left_behind"},
		"charging, left":       {age: day, record: record(billing.Charging, time.Hour), want: "left_behind"},
		"closing, left":        {age: day, record: record(billing.Closing, time.Hour), want: "left_behind"},
		"settling, left":       {age: day, record: record(billing.Settling, time.Hour), want: "left_behind"},
		"releasing, left":      {age: day, record: record(billing.Releasing, time.Hour), want: "left_behind"},
		"young, and left":      {record: record(billing.Charging, time.Hour), want: "left_behind"},
		"charging, lately":     {age: day, record: record(billing.Charging, 40*time.Minute), want: "under_way"},
		"with a living owner":  {age: day, record: leased, want: "under_way"},
		"of a newer program":   {age: day, record: &billing.Record{InvoiceID: "draft", State: "dreaming", SchemaVersion: 9, UpdatedAt: ago(time.Minute)}, want: "under_way"},
		"rejected":             {age: day, record: because(billing.LineRemoved, record(billing.Rejected, day)), want: "rejected rejected_without_dead_letter"},
		"planned again":        {age: day, record: record(billing.Rejected, day), want: "left_behind"},
		"done: empty":          {age: day, record: finished(billing.Empty, 0, day), want: "empty"},
		"done: closed":         {age: day, record: finished(billing.Closed, 1, day), want: "in_findings closed_but_pending"},
		"done: gone":           {age: day, record: finished(billing.Gone, 1, day), want: "in_findings closed_but_pending"},
		"done: closed lately":  {age: day, record: finished(billing.Closed, 1, 5*time.Minute), want: "just_finished"},
		"done: left open":      {age: day, record: finished(billing.LeftOpen, 1, day), want: "in_findings left_open"},
		"closing is off":       {age: day, record: finished(billing.LeftOpen, 1, day), change: func(r *reconcile.Options) { r.Close = false }, want: "left_open"},
		"empty ones stay open": {age: day, record: finished(billing.LeftOpen, 0, day), change: func(r *reconcile.Options) { r.CloseWithoutEvents = false }, want: "left_open"},
		"but not charged ones": {age: day, record: finished(billing.LeftOpen, 1, day), change: func(r *reconcile.Options) { r.CloseWithoutEvents = false }, want: "in_findings left_open"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &env{pending: []billing.Invoice{invoice("draft", test.age)}, records: map[string]billing.Record{}}
			if test.record != nil {
				e.records["draft"] = *test.record
			}
			changed := options()
			if test.change != nil {
				test.change(&changed)
			}
			swept, err := e.sweep(t, changed)
			if err != nil || !swept.Complete || swept.Pending != 1 {
				t.Fatalf("%+v, %v", swept, err)
			}
			var got []string
			for _, one := range swept.Enqueued {
				got = append(got, string(one.Reason))
			}
			for skip := range swept.Skipped {
				got = append(got, string(skip))
			}
			for _, found := range swept.Findings {
				got = append(got, found.Name)
			}
			if text := strings.Join(got, " "); text != test.want {
				t.Errorf("got %q, want %q", text, test.want)
			}
			if len(e.sent) != len(swept.Enqueued) {
				t.Errorf("%d messages were sent", len(e.sent))
			}
		})
	}
}

func because(reason billing.Reason, record *billing.Record) *billing.Record {
	record.Reason = reason
	return record
}

// The message has the id of the invoice, which the consumer reads from Chargebee, and the attributes that
// the receiver sets.
func TestSweeper_Message(t *testing.T) {
	t.Parallel()
	e := &env{pending: []billing.Invoice{invoice("draft", 2*time.Hour)}}
	swept, err := e.sweep(t, options())
	if err != nil || len(e.sent) != 1 {
		t.Fatalf("%+v, %v", swept, err)
	}
	message := e.sent[0]
	got, err := event.ParseMessage(message.Body)
	want := event.Event{ID: fmt.Sprintf("sweep_draft_%d", start.Unix()), Type: event.PendingInvoiceCreated, OccurredAt: start.Unix(), Invoice: event.Invoice{ID: "draft"}}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, %v", got, err)
	}
	id := fmt.Sprintf("sweep_draft_%d", start.Unix())
	attributes := map[string]string{"event_id": id, "event_type": "pending_invoice_created", "invoice_id": "draft", "received_at": "2000-01-01T00:00:00Z"}
	if got.ID != id || message.GroupID != "customer_draft" || !maps.Equal(message.Attributes, attributes) {
		t.Errorf("got %+v", message)
	}
	if one := swept.Enqueued[0]; one.MessageID == nil || *one.MessageID != "message_draft" || one.CustomerID != "customer_draft" || !one.Date.Equal(start.Add(-2*time.Hour)) {
		t.Errorf("got %+v", one)
	}
}

// Without a customer, the invoice is a group of its own.
func TestSweeper_MessageWithoutCustomer(t *testing.T) {
	t.Parallel()
	alone := invoice("draft", 2*time.Hour)
	alone.CustomerID = ""
	e := &env{pending: []billing.Invoice{alone}}
	if swept, err := e.sweep(t, options()); err != nil || len(e.sent) != 1 || e.sent[0].GroupID != "draft" {
		t.Errorf("%+v, %v: sent %+v", swept, err, e.sent)
	}
}

// Many invoices without a message are reported as one finding.
func TestSweeper_MissingWebhooks(t *testing.T) {
	t.Parallel()
	for count, want := range map[int]int{4: 0, 5: 1} {
		e := &env{}
		for i := range count {
			e.pending = append(e.pending, invoice(fmt.Sprintf("draft_%03d", i), 2*time.Hour))
		}
		swept, err := e.sweep(t, options())
		found := slices.DeleteFunc(swept.Findings, func(found reconcile.Finding) bool { return found.Name != "webhooks_missing" })
		if err != nil || len(found) != want || want == 1 && found[0].Count != count {
			t.Errorf("%d invoices: %+v, %v", count, found, err)
		}
	}
}

// While the response is too large, the list is requested with a smaller limit.
func TestSweeper_ReducesLimit(t *testing.T) {
	t.Parallel()
	for maxLimit, complete := range map[int]bool{30: true, 1: true} {
		e := &env{maxLimit: maxLimit}
		for i := range 60 {
			e.pending = append(e.pending, invoice(fmt.Sprintf("draft_%03d", i), 2*time.Hour))
		}
		swept, err := e.sweep(t, options())
		if (err == nil) != complete || swept.Pending != 60 {
			t.Errorf("limit %d: %d pending, %v", maxLimit, swept.Pending, err)
		}
	}
}

// All pages are read, and a limited number of invoices is checked concurrently.
func TestSweeper_ManyInvoices(t *testing.T) {
	t.Parallel()
	e := &env{}
	for i := range 200 {
		e.pending = append(e.pending, invoice(fmt.Sprintf("draft_%03d", i), 2*time.Hour))
	}
	swept, err := e.sweep(t, options())
	if err != nil || swept.Pending != 200 || len(swept.Enqueued) != 200 || e.maxSending > 32 || e.maxSending < 2 {
		t.Errorf("%d pending, %d enqueued, %d at once, %v", swept.Pending, len(swept.Enqueued), e.maxSending, err)
	}

	e.sent = nil
	dry := options()
	dry.DryRun = true
	swept, err = e.sweep(t, dry)
	if err != nil || !swept.DryRun || len(swept.Enqueued) != 200 || len(e.sent) != 0 || swept.Enqueued[0].MessageID != nil {
		t.Errorf("a dry run sent %d: %+v, %v", len(e.sent), swept.Enqueued[0], err)
	}
}

// Temporary errors are retried. A limit of the site pauses all processes.
func TestSweeper_RetriesList(t *testing.T) {
	t.Parallel()
	failure := func(kind billing.Kind) error { return &billing.Failure{Kind: kind, RetryAfter: 7 * time.Second} }
	for name, test := range map[string]struct {
		listErrs []error
		failed   bool
		paused   int
	}{
		"spent":            {listErrs: []error{fmt.Errorf("nothing was sent: %w", ratelimit.ErrExpired)}},
		"cut off":          {listErrs: []error{failure(billing.Unknown), nil, failure(billing.Unknown)}},
		"limited":          {listErrs: []error{failure(billing.Limited)}, paused: 1},
		"not ready":        {listErrs: []error{failure(billing.Transient)}},
		"never ready":      {listErrs: slices.Repeat([]error{failure(billing.Transient)}, 5), failed: true},
		"unauthorized":     {listErrs: []error{failure(billing.Unauthorized)}, failed: true},
		"a wrong argument": {listErrs: []error{failure(billing.Permanent)}, failed: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &env{listErrs: test.listErrs}
			for i := range 4 {
				e.pending = append(e.pending, invoice(fmt.Sprint("draft_", i), 2*time.Hour))
			}
			swept, err := e.sweep(t, options())
			if (err != nil) != test.failed || swept.Complete == test.failed || len(e.paused) != test.paused {
				t.Errorf("%+v, %v; paused %v", swept, err, e.paused)
			}
			if !test.failed && len(e.sent) != 4 || len(e.listErrs) != 0 {
				t.Errorf("%d sent, %d listErrs not made", len(e.sent), len(e.listErrs))
			}
		})
	}
}

// A part that fails is reported, and does not prevent the others.
func TestSweeper_PartFails(t *testing.T) {
	t.Parallel()
	held := billing.Record{InvoiceID: "held", State: billing.Rejected, Resume: billing.Charging, Pages: 1, UpdatedAt: ago(time.Hour)}
	for part, found := range map[string]string{
		"site":        "orphaned_claims old_unbilled_events",
		"record":      "orphaned_claims old_unbilled_events",
		"records":     "old_unbilled_events",
		"deadLetters": "old_unbilled_events",
		"events":      "orphaned_claims",
		"backlog":     "orphaned_claims old_unbilled_events",
		"send second": "orphaned_claims old_unbilled_events",
	} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			e := &env{
				pending:  []billing.Invoice{invoice("first", 2*time.Hour), invoice("second", 2*time.Hour)},
				records:  map[string]billing.Record{"held": held},
				unbilled: []billing.Event{{EventKey: billing.EventKey{SubscriptionID: "s", EventID: "e"}, OccurredAt: ago(40 * 24 * time.Hour)}},
				fails:    map[string]error{part: errBroken},
			}
			swept, err := e.sweep(t, options())
			if !errors.Is(err, reconcile.ErrPartial) || swept.Complete {
				t.Errorf("%+v, %v", swept, err)
			}
			var names []string
			for _, finding := range swept.Findings {
				names = append(names, finding.Name)
			}
			if got := strings.Join(names, " "); got != found {
				t.Errorf("found %q, want %q", got, found)
			}
			switch part {
			case "send second":
				if len(swept.Enqueued) != 1 || len(swept.Failed) != 1 || swept.Failed[0] != (reconcile.EnqueueFailure{InvoiceID: "second", Error: "broken"}) {
					t.Errorf("got %+v", swept)
				}
			case "site", "record":
				if len(swept.Enqueued) != 0 || !errors.Is(err, errBroken) {
					t.Errorf("got %+v, %v", swept, err)
				}
			default:
				if len(swept.Enqueued) != 2 || !errors.Is(err, errBroken) {
					t.Errorf("got %+v, %v", swept, err)
				}
			}
		})
	}
}
