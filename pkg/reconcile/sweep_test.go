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

// place is all that a sweep looks at. What fails is in the map, by what it is.
type place struct {
	pending  []billing.Invoice
	heads    map[string]billing.Record
	unbilled []billing.Event
	letters  []queue.Message
	backlog  reconcile.Backlog
	hidden   bool // some letters are another reader's
	fails    map[string]error
	lists    []error // of the first lists, in turn
	fits     int     // the largest limit whose answer is not too large; 0: any

	mu       sync.Mutex
	sent     []queue.Message
	browsed  int
	paused   []time.Duration
	together int // sends under way
	most     int
}

var errBroken = errors.New("broken")

const perPage = 3

func (p *place) ListInvoices(_ context.Context, permit *ratelimit.Permit, query billing.InvoiceQuery) (billing.InvoicePage, error) {
	offset := query.Offset
	if !query.Pending {
		return billing.InvoicePage{}, fmt.Errorf("not a list of pending invoices: %+v", query)
	}
	if cmp.Or(query.Limit, billing.MaxListed) > p.fits && p.fits > 0 {
		return billing.InvoicePage{}, &billing.Failure{Kind: billing.Unknown, TooLarge: true}
	}
	if err := permit.Spend(); err != nil {
		return billing.InvoicePage{}, err
	}
	if len(p.lists) > 0 {
		err := p.lists[0]
		p.lists = p.lists[1:]
		if err != nil {
			return billing.InvoicePage{}, err
		}
	}
	start := 0
	if _, err := fmt.Sscan(offset, &start); offset != "" && err != nil {
		return billing.InvoicePage{}, err
	}
	page := billing.InvoicePage{Invoices: p.pending[start:min(start+perPage, len(p.pending))]}
	if start+perPage < len(p.pending) {
		page.Next = fmt.Sprint(start + perPage)
	}
	return page, nil
}

func (p *place) Acquire(context.Context) (*ratelimit.Permit, error) {
	return ratelimittest.Permit(time.Now), nil
}

func (p *place) Pause(_ *ratelimit.Permit, wait time.Duration) { p.paused = append(p.paused, wait) }

func (p *place) Record(_ context.Context, id string) (billing.Record, bool, error) {
	record, ok := p.heads[id]
	return record, ok, p.fails["head"]
}

func (p *place) Records(context.Context) iter.Seq2[billing.Record, error] {
	return all(slices.Collect(maps.Values(p.heads)), p.fails["heads"])
}

func (p *place) AllUnbilled(context.Context) iter.Seq2[billing.Event, error] {
	return all(p.unbilled, p.fails["events"])
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

func (p *place) Browse(_ context.Context, visit func([]queue.Message) bool) (bool, error) {
	p.browsed++
	for messages := range slices.Chunk(p.letters, 10) {
		if !visit(messages) {
			return false, nil
		}
	}
	return !p.hidden, p.fails["letters"]
}

func (p *place) Send(ctx context.Context, message queue.Message) (string, error) {
	p.mu.Lock()
	p.together++
	p.most = max(p.most, p.together)
	p.mu.Unlock()
	time.Sleep(time.Millisecond)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.together--
	if _, bounded := ctx.Deadline(); !bounded {
		return "", errors.New("a send without a deadline")
	}
	if err := p.fails["send "+message.Attributes[queue.AttributeInvoiceID]]; err != nil {
		return "", err
	}
	p.sent = append(p.sent, message)
	return "message_" + message.Attributes[queue.AttributeInvoiceID], nil
}

func (p *place) Backlog(context.Context) (reconcile.Backlog, error) {
	return p.backlog, p.fails["backlog"]
}

func rules() reconcile.Options {
	return reconcile.Options{
		OlderThan: time.Hour, EventsOlderThan: 35 * 24 * time.Hour, MaxIdle: 40 * time.Minute, ListDelay: 6 * time.Minute,
		Close: true, CloseWithoutEvents: true,
	}
}

// sweep runs in virtual time.
func (p *place) sweep(t *testing.T, rules reconcile.Options) (swept reconcile.Result, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		sweeper := reconcile.Sweeper{
			Ledger: p, Events: p, DeadLetters: p, Queue: p, Now: time.Now,
			CallSite: func(_ context.Context, call func(reconcile.Site) error) error {
				if err := p.fails["site"]; err != nil {
					return err
				}
				return call(p)
			},
		}
		swept, err = sweeper.Run(t.Context(), rules)
	})
	return swept, err
}

// start is the time at which bubbles begin.
var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func ago(d time.Duration) int64 { return start.Add(-d).Unix() }

func invoice(id string, age time.Duration) billing.Invoice {
	return billing.Invoice{
		ID: id, CustomerID: "customer_" + id, SubscriptionID: "sub_" + id, CurrencyCode: "EUR", Status: billing.StatusPending, Date: ago(age),
		Lines: []billing.InvoiceLine{{ID: "li_1", SubscriptionID: "sub_" + id}, {ID: "li_2"}},
	}
}

// TestDecisions: what becomes of a pending invoice.
func TestDecisions(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	record := func(state billing.State, untouched time.Duration) *billing.Record {
		return &billing.Record{InvoiceID: "draft", State: state, UpdatedAt: ago(untouched)}
	}
	finished := func(outcome billing.Result, pages int, ago time.Duration) *billing.Record {
		done := record(billing.Finished, ago)
		done.Outcome, done.Pages = outcome, pages
		return done
	}
	leased := record(billing.Charging, 2*time.Hour)
	leased.Owner, leased.LeaseUntil = "owner", start.Add(time.Second).Unix()
	for name, test := range map[string]struct {
		age   time.Duration
		head  *billing.Record
		rules func(*reconcile.Options)
		want  string // why it is enqueued, or why it is skipped and what is found
	}{
		"unknown, old":         {age: day, want: "never_begun"},
		"unknown, an hour old": {age: time.Hour, want: "never_begun"},
		"unknown, young":       {age: time.Hour - time.Second, want: "young"},
		"dated ahead":          {age: -day, want: "young"},
		"unknown, all wanted":  {rules: func(r *reconcile.Options) { r.OlderThan = 0 }, want: "never_begun"},

		"claiming, left":       {age: day, head: record(billing.Claiming, time.Hour), want: "left_behind"},
		"charging, left":       {age: day, head: record(billing.Charging, time.Hour), want: "left_behind"},
		"closing, left":        {age: day, head: record(billing.Closing, time.Hour), want: "left_behind"},
		"settling, left":       {age: day, head: record(billing.Settling, time.Hour), want: "left_behind"},
		"releasing, left":      {age: day, head: record(billing.Releasing, time.Hour), want: "left_behind"},
		"young, and left":      {head: record(billing.Charging, time.Hour), want: "left_behind"},
		"charging, lately":     {age: day, head: record(billing.Charging, 40*time.Minute), want: "under_way"},
		"with a living owner":  {age: day, head: leased, want: "under_way"},
		"of a newer program":   {age: day, head: &billing.Record{InvoiceID: "draft", State: "dreaming", SchemaVersion: 9, UpdatedAt: ago(time.Minute)}, want: "under_way"},
		"rejected":             {age: day, head: because(billing.LineRemoved, record(billing.Rejected, day)), want: "rejected"},
		"planned again":        {age: day, head: record(billing.Rejected, day), want: "left_behind"},
		"done: empty":          {age: day, head: finished(billing.Empty, 0, day), want: "empty"},
		"done: closed":         {age: day, head: finished(billing.Closed, 1, day), want: "in_findings closed_but_pending"},
		"done: gone":           {age: day, head: finished(billing.Gone, 1, day), want: "in_findings closed_but_pending"},
		"done: closed lately":  {age: day, head: finished(billing.Closed, 1, 5*time.Minute), want: "just_finished"},
		"done: left open":      {age: day, head: finished(billing.LeftOpen, 1, day), want: "in_findings left_open"},
		"closing is off":       {age: day, head: finished(billing.LeftOpen, 1, day), rules: func(r *reconcile.Options) { r.Close = false }, want: "left_open"},
		"empty ones stay open": {age: day, head: finished(billing.LeftOpen, 0, day), rules: func(r *reconcile.Options) { r.CloseWithoutEvents = false }, want: "left_open"},
		"but not charged ones": {age: day, head: finished(billing.LeftOpen, 1, day), rules: func(r *reconcile.Options) { r.CloseWithoutEvents = false }, want: "in_findings left_open"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &place{pending: []billing.Invoice{invoice("draft", test.age)}, heads: map[string]billing.Record{}}
			if test.head != nil {
				p.heads["draft"] = *test.head
			}
			judged := rules()
			if test.rules != nil {
				test.rules(&judged)
			}
			swept, err := p.sweep(t, judged)
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
			if len(p.sent) != len(swept.Enqueued) {
				t.Errorf("%d messages were sent", len(p.sent))
			}
		})
	}
}

func because(reason billing.Reason, record *billing.Record) *billing.Record {
	record.Reason = reason
	return record
}

// TestMessage is one that a consumer can bill by: it has the id of the invoice, which the
// consumer reads, and the attributes that the receiver sets.
func TestMessage(t *testing.T) {
	t.Parallel()
	p := &place{pending: []billing.Invoice{invoice("draft", 2*time.Hour)}}
	swept, err := p.sweep(t, rules())
	if err != nil || len(p.sent) != 1 {
		t.Fatalf("%+v, %v", swept, err)
	}
	message := p.sent[0]
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

// TestMessage_WithoutCustomer belongs to a group of its own.
func TestMessage_WithoutCustomer(t *testing.T) {
	t.Parallel()
	alone := invoice("draft", 2*time.Hour)
	alone.CustomerID = ""
	p := &place{pending: []billing.Invoice{alone}}
	if swept, err := p.sweep(t, rules()); err != nil || len(p.sent) != 1 || p.sent[0].GroupID != "draft" {
		t.Errorf("%+v, %v: sent %+v", swept, err, p.sent)
	}
}

// TestSweep_MissingWebhooks reports many invoices without a message as one cause.
func TestSweep_MissingWebhooks(t *testing.T) {
	t.Parallel()
	for count, want := range map[int]int{4: 0, 5: 1} {
		p := &place{}
		for i := range count {
			p.pending = append(p.pending, invoice(fmt.Sprintf("draft_%03d", i), 2*time.Hour))
		}
		swept, err := p.sweep(t, rules())
		found := slices.DeleteFunc(swept.Findings, func(found reconcile.Finding) bool { return found.Name != "webhooks_missing" })
		if err != nil || len(found) != want || want == 1 && found[0].Count != count {
			t.Errorf("%d invoices: %+v, %v", count, found, err)
		}
	}
}

// TestSweep_LargeAnswers asks for a list with a smaller limit while the answer is too large.
func TestSweep_LargeAnswers(t *testing.T) {
	t.Parallel()
	for fits, complete := range map[int]bool{30: true, 1: true} {
		p := &place{fits: fits}
		for i := range 60 {
			p.pending = append(p.pending, invoice(fmt.Sprintf("draft_%03d", i), 2*time.Hour))
		}
		swept, err := p.sweep(t, rules())
		if (err == nil) != complete || swept.Pending != 60 {
			t.Errorf("limit %d: %d pending, %v", fits, swept.Pending, err)
		}
	}
}

// TestManyInvoices: all pages are read, and a bounded number of invoices is worked on at
// the same time.
func TestManyInvoices(t *testing.T) {
	t.Parallel()
	p := &place{}
	for i := range 200 {
		p.pending = append(p.pending, invoice(fmt.Sprintf("draft_%03d", i), 2*time.Hour))
	}
	swept, err := p.sweep(t, rules())
	if err != nil || swept.Pending != 200 || len(swept.Enqueued) != 200 || p.most > 32 || p.most < 2 {
		t.Errorf("%d pending, %d enqueued, %d at once, %v", swept.Pending, len(swept.Enqueued), p.most, err)
	}

	p.sent = nil
	dry := rules()
	dry.DryRun = true
	swept, err = p.sweep(t, dry)
	if err != nil || !swept.DryRun || len(swept.Enqueued) != 200 || len(p.sent) != 0 || swept.Enqueued[0].MessageID != nil {
		t.Errorf("a dry run sent %d: %+v, %v", len(p.sent), swept.Enqueued[0], err)
	}
}

// TestListsAreRepeated where that can help, and a refusal for the site stops everybody.
func TestListsAreRepeated(t *testing.T) {
	t.Parallel()
	failure := func(kind billing.Kind) error { return &billing.Failure{Kind: kind, RetryAfter: 7 * time.Second} }
	for name, test := range map[string]struct {
		lists  []error
		failed bool
		paused int
	}{
		"spent":            {lists: []error{fmt.Errorf("nothing was sent: %w", ratelimit.ErrExpired)}},
		"cut off":          {lists: []error{failure(billing.Unknown), nil, failure(billing.Unknown)}},
		"limited":          {lists: []error{failure(billing.Limited)}, paused: 1},
		"not ready":        {lists: []error{failure(billing.Transient)}},
		"never ready":      {lists: slices.Repeat([]error{failure(billing.Transient)}, 5), failed: true},
		"unauthorized":     {lists: []error{failure(billing.Unauthorized)}, failed: true},
		"a wrong argument": {lists: []error{failure(billing.Permanent)}, failed: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &place{lists: test.lists}
			for i := range 4 {
				p.pending = append(p.pending, invoice(fmt.Sprint("draft_", i), 2*time.Hour))
			}
			swept, err := p.sweep(t, rules())
			if (err != nil) != test.failed || swept.Complete == test.failed || len(p.paused) != test.paused {
				t.Errorf("%+v, %v; paused %v", swept, err, p.paused)
			}
			if !test.failed && len(p.sent) != 4 || len(p.lists) != 0 {
				t.Errorf("%d sent, %d lists not made", len(p.sent), len(p.lists))
			}
		})
	}
}

// TestPartsFailAlone: what cannot be looked at is said, and all else is looked at.
func TestPartsFailAlone(t *testing.T) {
	t.Parallel()
	held := billing.Record{InvoiceID: "held", State: billing.Rejected, Resume: billing.Charging, Pages: 1, UpdatedAt: ago(time.Hour)}
	for part, found := range map[string]string{
		"site":        "orphaned_claims old_unbilled_events",
		"head":        "orphaned_claims old_unbilled_events",
		"heads":       "old_unbilled_events",
		"letters":     "old_unbilled_events",
		"events":      "orphaned_claims",
		"backlog":     "orphaned_claims old_unbilled_events",
		"send second": "orphaned_claims old_unbilled_events",
	} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			p := &place{
				pending:  []billing.Invoice{invoice("first", 2*time.Hour), invoice("second", 2*time.Hour)},
				heads:    map[string]billing.Record{"held": held},
				unbilled: []billing.Event{{EventKey: billing.EventKey{SubscriptionID: "s", EventID: "e"}, OccurredAt: ago(40 * 24 * time.Hour)}},
				fails:    map[string]error{part: errBroken},
			}
			swept, err := p.sweep(t, rules())
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
				if len(swept.Enqueued) != 1 || len(swept.Failed) != 1 || swept.Failed[0] != (reconcile.Unsent{InvoiceID: "second", Error: "broken"}) {
					t.Errorf("got %+v", swept)
				}
			case "site", "head":
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
