package settlement_test

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/settlement"
)

// answersTable documents the outcome of every answer.
//
//go:embed testdata/answers.md
var answersTable string

// TestAnswers plays the tables of testdata/answers.md through the SDK and the settler.
func TestAnswers(t *testing.T) {
	t.Parallel()
	rows := answerRows(t)
	for _, refusal := range chargebee.Documented() {
		name := fmt.Sprintf("%d %s %s", refusal.Status, refusal.Type, refusal.Code)
		if !slices.ContainsFunc(rows, func(row answerRow) bool { return row.answer == name }) {
			t.Errorf("the documented answer %q stands in no table", name)
		}
	}
	for _, row := range rows {
		t.Run(row.answer, func(t *testing.T) {
			t.Parallel()
			for _, situation := range situations {
				word := row.cells[situation.column]
				if word == "–" {
					continue
				}
				t.Run(situation.name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { play(t, row, situation, word) })
				})
			}
		})
	}
}

// answerRow is one row of the tables.
type answerRow struct {
	answer string
	means  string
	cells  map[string]string // by column
}

func answerRows(t *testing.T) []answerRow {
	t.Helper()
	var rows []answerRow
	for line := range strings.Lines(answersTable) {
		line = strings.TrimSpace(line)
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if !strings.HasPrefix(line, "|") || len(cells) == 2 { // the words and what they stand for
			continue
		}
		if len(cells) != 2+len(columns) {
			t.Fatalf("a row has %d cells: %s", len(cells), line)
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if cells[0] == "answer" || strings.HasPrefix(cells[0], "--") {
			if cells[0] == "answer" && !slices.Equal(cells[2:], columns) {
				t.Fatalf("a table has the columns %q", cells)
			}
			continue
		}
		row := answerRow{answer: cells[0], means: cells[1], cells: map[string]string{}}
		for i, column := range columns {
			row.cells[column] = cells[2+i]
		}
		rows = append(rows, row)
	}
	return rows
}

var columns = []string{"first line", "later line", "in doubt", "closing", "looking"}

// situation is the state in which an answer arrives.
type situation struct {
	name   string
	column string
	to     string // the end of the path of the call that is answered; empty: it is the draft's own
	doubt  bool   // a line is in doubt before

	before  string        // the answer that lets the situation arise
	during  string        // the end of the paths of the calls that get it
	passing int           // how many of them pass before
	wait    time.Duration // until the call that is looked at
}

const (
	notReady    = "503 operation_failed site_not_ready"
	lost        = "connection cut"
	effectFirst = "connection cut, after the effect"
)

var situations = []situation{
	{name: "first line", column: "first line", to: "/add_charge", before: notReady, during: "/add_charge"},
	{name: "later line", column: "later line", to: "/add_charge", before: notReady, during: "/add_charge", passing: 1},
	{name: "in doubt, stands", column: "in doubt", to: "/add_charge", doubt: true, before: effectFirst, during: "/add_charge", passing: 1},
	{name: "in doubt, does not stand", column: "in doubt", to: "/add_charge", doubt: true, before: lost, during: "/add_charge", passing: 1},
	{name: "closing", column: "closing", to: "/close", before: notReady, during: "/close"},
	{name: "looking, stands", column: "looking", doubt: true, before: effectFirst, during: "/add_charge", passing: 1, wait: 31 * time.Minute},
	{name: "looking, does not stand", column: "looking", doubt: true, before: lost, during: "/add_charge", passing: 1, wait: 31 * time.Minute},
}

// arise lets the situation arise: it handles the message up to the call that is looked at.
func (s situation) arise(f *fixture, settler *settlement.Settler, body []byte) {
	f.t.Helper()
	f.gateway.answer(canned{to: s.during, words: s.before, after: s.passing})
	outcome := f.wantRetry(settler, body)
	if f.last().Attempts != 0 {
		f.t.Fatalf("before: %+v", f.last())
	}
	f.gateway.stop()
	time.Sleep(max(outcome.Delay, s.wait))
}

// play lets the situation arise, gives the answer for a minute, compares what becomes of
// the message with the word for it, and lets the message come back once that is over.
func play(t *testing.T, row answerRow, now situation, word string) {
	f := newFixture(t, nil)
	id, body := f.three()
	on := newPod(0)
	settler := f.process(on, nil)
	heard := &failures{Charger: settler.Charger, Invoices: settler.Invoices}
	settler.Charger, settler.Invoices = heard, heard
	sent := time.Now()
	now.arise(f, settler, body)

	heard.first = nil
	f.gateway.answer(canned{to: cmp.Or(now.to, "/"+id), words: row.answer, until: time.Now().Add(time.Minute)})
	outcome := f.handle(settler, body)
	if heard.first == nil || meaning(heard.first) != row.means {
		t.Errorf("it means %+v", heard.first)
	}
	check, ok := checks[word]
	if !ok {
		check, ok = within(word)
	}
	if !ok {
		t.Fatalf("%q is no word for what becomes of a message", word)
	}
	after := aftermath{outcome: outcome, head: f.head(id), statuses: f.statuses(), answered: f.gateway.given, sent: sent}
	if problem := check(after); problem != "" {
		t.Errorf("%s: %s: %+v, %+v, events %s", word, problem, outcome, after.head, after.statuses)
	}
	if attempt := word == "attempt" || word == "doubt"; attempt != (after.head.Attempts == 1) {
		t.Errorf("%s: %d attempts", word, after.head.Attempts)
	}
	if doubt := strings.HasSuffix(word, "doubt") || now.doubt && outcome.Action != queue.Ack; doubt != after.head.IsSending() || doubt != after.head.InDoubt {
		t.Errorf("%s: sending %t, in doubt %t", word, after.head.IsSending(), after.head.InDoubt)
	}
	if on.breaker.Open() != strings.HasPrefix(word, "pause") {
		t.Errorf("%s: the pod is paused: %q", word, on.breaker.Reason())
	}
	if on.limiter.paused() > 0 { // a limit of the site was waited for; nothing else pauses the limiter
		t.Errorf("%s: the rate limiter is paused", word)
	}
	if after.head.Owner != "" {
		t.Errorf("%s: it is still owned", word)
	}

	f.gateway.stop()
	if outcome.Action == queue.Retry {
		time.Sleep(outcome.Delay)
	}
	f.wantClosed(settler, body)
	if on.breaker.Open() {
		t.Errorf("once it is over the pod is paused: %q", on.breaker.Reason())
	}
}

// aftermath is the result of the processing of a message.
type aftermath struct {
	outcome  queue.Outcome
	head     billing.Record
	statuses string
	sent     time.Time   // the first call of the invoice
	answered []time.Time // when the gateway gave canned answers
}

const allClaimed = "claimed claimed claimed"

// checks are the cells of the tables; each returns the difference.
var checks = map[string]func(aftermath) string{
	"done": func(a aftermath) string { return a.want(queue.Ack, "", "billed billed billed") },
	"at once": func(a aftermath) string {
		for i := 1; i < len(a.answered); i++ {
			if pause := a.answered[i].Sub(a.answered[i-1]); pause < 10*time.Second {
				return "the next call came after " + pause.String()
			}
		}
		return a.want(queue.Ack, "", "billed billed billed")
	},
	"pause":        func(a aftermath) string { return a.comesBack(30*time.Second, time.Minute) },
	"pause, doubt": func(a aftermath) string { return a.comesBack(30*time.Second, time.Minute) },
	"doubt":        func(a aftermath) string { return a.comesBack(3*time.Second, 5*time.Second) },
	"attempt":      func(a aftermath) string { return a.comesBack(3*time.Second, 5*time.Second) },
	"window": func(a aftermath) string {
		forgotten := time.Until(a.sent.Add(settings.IdempotencyWindow))
		return a.comesBack(forgotten, forgotten+3*time.Second)
	},
	"stored": func(a aftermath) string {
		return a.comesBack(settings.IdempotencyWindow-time.Second, settings.IdempotencyWindow+3*time.Second)
	},
	"gone": func(a aftermath) string {
		if a.head.MissingSince == 0 {
			return "the draft is not gone"
		}
		shows := settings.MaxEffectDelay + settings.MaxSkew
		return a.comesBack(shows, shows+3*time.Second)
	},
	"released": func(a aftermath) string {
		return a.want(queue.DeadLetter, billing.ChargebeeRefused, "unbilled unbilled unbilled")
	},
	"held":          func(a aftermath) string { return a.want(queue.DeadLetter, billing.ChargebeeRefused, allClaimed) },
	"close refused": func(a aftermath) string { return a.want(queue.DeadLetter, billing.CloseRefused, allClaimed) },
}

// within is the check of the cell "in … s".
func within(word string) (check func(aftermath) string, ok bool) {
	most, err := time.ParseDuration(strings.ReplaceAll(strings.TrimPrefix(word, "in "), " ", ""))
	return func(a aftermath) string { return a.comesBack(most/4, most) }, err == nil
}

func (a aftermath) want(verdict queue.Action, reason billing.Reason, statuses string) string {
	switch {
	case a.outcome.Action != verdict || a.outcome.Reason != string(reason):
		return "another outcome"
	case a.statuses != statuses:
		return "the events should be " + statuses
	default:
		return ""
	}
}

func (a aftermath) comesBack(least, most time.Duration) string {
	if a.outcome.Delay < least || a.outcome.Delay > most {
		return fmt.Sprintf("it should come back in %s to %s", least, most)
	}
	return a.want(queue.Retry, "", allClaimed)
}

// failures remembers the first call that failed.
type failures struct {
	settlement.Charger
	settlement.Invoices

	first *billing.Failure
}

func (f *failures) hear(err error) {
	if failure, ok := errors.AsType[*billing.Failure](err); ok && f.first == nil {
		f.first = failure
	}
}

func (f *failures) AddCharge(ctx context.Context, permit *ratelimit.Permit, charge billing.Charge) (billing.Invoice, error) {
	invoice, err := f.Charger.AddCharge(ctx, permit, charge)
	f.hear(err)
	return invoice, err
}

func (f *failures) Close(ctx context.Context, permit *ratelimit.Permit, closing billing.Close) (billing.Invoice, error) {
	invoice, err := f.Charger.Close(ctx, permit, closing)
	f.hear(err)
	return invoice, err
}

func (f *failures) Invoice(ctx context.Context, permit *ratelimit.Permit, page billing.LinePage) (billing.Invoice, error) {
	invoice, err := f.Invoices.Invoice(ctx, permit, page)
	f.hear(err)
	return invoice, err
}

// meaning is the kind of a failure as the tables name it.
func meaning(failure *billing.Failure) string {
	switch {
	case failure.Kind != billing.Limited:
		return failure.Kind.String()
	case failure.Resource:
		return "limited (invoice)"
	default:
		return "limited (site)"
	}
}
