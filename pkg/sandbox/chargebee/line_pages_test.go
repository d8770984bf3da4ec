package chargebee_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// draftOf makes a pending invoice with a number of lines: those of the subscription and manual ones.
func (s site) draftOf(lines int) chargebee.Invoice {
	s.t.Helper()
	draft := s.renew("ada-1")
	for range lines - 1 {
		if _, err := s.AddLine(draft.ID, chargebee.LineItem{Amount: 1}); err != nil {
			s.t.Fatal(err)
		}
	}
	complete, _ := s.Invoice(draft.ID)
	return complete
}

// pages retrieves all lines of an invoice and returns the number of lines of
// each page.
func (s site) pages(invoiceID string, query url.Values) (lines []chargebee.LineItem, sizes []int) {
	s.t.Helper()
	for {
		answer := s.get(invoiceID, query.Encode())
		if answer.status != http.StatusOK {
			s.t.Fatalf("%v: %d %s", query, answer.status, answer.raw)
		}
		lines = append(lines, answer.Invoice.LineItems...)
		sizes = append(sizes, len(answer.Invoice.LineItems))
		if answer.Invoice.LineItemsNextOffset == "" {
			return lines, sizes
		}
		query.Set("line_items_offset", answer.Invoice.LineItemsNextOffset)
	}
}

func TestLinePages(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{})
	draft := s.draftOf(250)
	for _, test := range []struct {
		name  string
		query url.Values
		sizes []int
	}{
		{name: "default limit", query: url.Values{}, sizes: []int{100, 100, 50}},
		{name: "one page", query: url.Values{"line_items_limit": {"300"}}, sizes: []int{250}},
		{name: "full last page", query: url.Values{"line_items_limit": {"125"}}, sizes: []int{125, 125}},
	} {
		lines, sizes := s.pages(draft.ID, test.query)
		if !slices.Equal(lines, draft.LineItems) || !slices.Equal(sizes, test.sizes) {
			t.Errorf("%s: %d lines on pages of %v", test.name, len(lines), sizes)
		}
	}
	if answer := s.get(draft.ID, ""); answer.Invoice.Total != 1249 {
		t.Errorf("total %d on the first page", answer.Invoice.Total)
	}
}

// A cursor is opaque, the same for the same seed, and keeps its place when
// lines are added.
func TestLineCursor(t *testing.T) {
	t.Parallel()
	cursor := func(seed uint64) (site, chargebee.Invoice, string) {
		s := newSite(t, chargebee.Config{Seed: seed})
		draft := s.draftOf(150)
		return s, draft, s.get(draft.ID, "").Invoice.LineItemsNextOffset
	}
	s, draft, first := cursor(1)
	if _, _, again := cursor(1); again != first {
		t.Errorf("two runs issue %q and %q", first, again)
	}
	if _, _, other := cursor(2); other == first || strings.Contains(first, "100") {
		t.Errorf("cursors %q and %q", first, other)
	}
	s.charge(draft.ID, "7", "")
	answer := s.get(draft.ID, "line_items_offset="+first)
	if lines := answer.Invoice.LineItems; len(lines) != 51 || lines[0] != draft.LineItems[100] || lines[50].Amount != 7 {
		t.Errorf("%d lines from %q", len(lines), first)
	}
}

func TestForeignCursor(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		mode   chargebee.ForeignCursor
		status int
		lines  int
		next   bool
	}{
		{name: "refused by default", status: http.StatusBadRequest},
		{name: "first page", mode: chargebee.ForeignCursorFirstPage, status: http.StatusOK, lines: 100, next: true},
		{name: "empty page", mode: chargebee.ForeignCursorEmptyPage, status: http.StatusOK},
	} {
		s := newSite(t, chargebee.Config{ForeignCursor: test.mode})
		draft, other := s.draftOf(150), s.draftOf(150)
		foreign := s.get(other.ID, "").Invoice.LineItemsNextOffset
		for _, cursor := range []string{"100", "unknown", foreign} {
			answer := s.get(draft.ID, url.Values{"line_items_offset": {cursor}}.Encode())
			if answer.status != test.status || len(answer.Invoice.LineItems) != test.lines ||
				(answer.Invoice.LineItemsNextOffset != "") != test.next {
				t.Errorf("%s, %q: %d with %d lines", test.name, cursor, answer.status, len(answer.Invoice.LineItems))
			}
			if refused := answer.status == http.StatusBadRequest; refused &&
				(answer.Code != "param_wrong_value" || answer.Param != "line_items_offset") {
				t.Errorf("%s, %q: %s", test.name, cursor, answer.raw)
			}
		}
	}
}

// Pages may be short, but never empty, and all lines are on them.
func TestShortPages(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{ShortPages: true})
	draft := s.draftOf(250)
	lines, sizes := s.pages(draft.ID, url.Values{"line_items_limit": {"50"}})
	if !slices.Equal(lines, draft.LineItems) {
		t.Errorf("%d lines on pages of %v", len(lines), sizes)
	}
	if slices.Min(sizes) < 1 || slices.Max(sizes) > 50 || len(sizes) <= 5 {
		t.Errorf("pages of %v", sizes)
	}
}

// A site without Enterprise-scale Invoicing shows all lines, and refuses or
// ignores the parameters of pages.
func TestWholeInvoices(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		ignores bool
		query   string
		param   string // of the refusal; "": all lines are shown
	}{
		{name: "no page", query: ""},
		{name: "limit", query: "line_items_limit=10", param: "line_items_limit"},
		{name: "offset", query: "line_items_offset=abc", param: "line_items_offset"},
		{name: "ignored limit", ignores: true, query: "line_items_limit=10"},
		{name: "ignored offset", ignores: true, query: "line_items_offset=abc"},
	} {
		s := newSite(t, chargebee.Config{WholeInvoices: true, IgnoresPaging: test.ignores})
		draft := s.draftOf(150)
		answer := s.get(draft.ID, test.query)
		if test.param != "" {
			if answer.status != http.StatusBadRequest || answer.Param != test.param {
				t.Errorf("%s: %d %s", test.name, answer.status, answer.raw)
			}
			continue
		}
		if len(answer.Invoice.LineItems) != 150 || answer.Invoice.LineItemsNextOffset != "" {
			t.Errorf("%s: %d with %d lines", test.name, answer.status, len(answer.Invoice.LineItems))
		}
		if got := s.charge(draft.ID, "5", "").Invoice; len(got.LineItems) != 151 {
			t.Errorf("%s: a charge is answered with %d lines", test.name, len(got.LineItems))
		}
	}
}

// Answers to changes and webhooks show the first lines only, with or without a
// next offset.
func TestCutLines(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name           string
		config         chargebee.Config
		answered, sent int // lines, of 120
	}{
		{name: "default", answered: 100, sent: 120},
		{name: "whole invoices", config: chargebee.Config{WholeInvoices: true}, answered: 120, sent: 120},
		{name: "cut", config: chargebee.Config{CutAnswers: 3, CutWebhooks: 2}, answered: 3, sent: 2},
		{name: "long enough", config: chargebee.Config{CutAnswers: 120, CutWebhooks: 120}, answered: 120, sent: 120},
		{name: "cut silently", config: chargebee.Config{CutAnswers: 3, CutWebhooks: 2, CutSilently: true}, answered: 3, sent: 2},
	} {
		test.config.Events = everything
		s := newSite(t, test.config)
		s.sell()
		draft := s.draftOf(118)
		answers := map[string]chargebee.Invoice{
			"add_charge":      s.charge(draft.ID, "1", "").Invoice,
			"add_charge_item": s.must(itemRequest(draft.ID, "item_price[item_price_id]=setup")).Invoice,
		}
		complete, _ := s.Invoice(draft.ID)
		answers["close"] = s.must(request{path: "invoices/" + draft.ID + "/close"}).Invoice
		check := func(name string, got chargebee.Invoice, want, of int) {
			want = min(want, of)
			next := want < of && !test.config.CutSilently
			if !slices.Equal(got.LineItems, complete.LineItems[:want]) || (got.LineItemsNextOffset != "") != next {
				t.Errorf("%s, %s: %d lines, next %q", test.name, name, len(got.LineItems), got.LineItemsNextOffset)
			}
		}
		check("add_charge", answers["add_charge"], test.answered, 119)
		check("add_charge_item", answers["add_charge_item"], test.answered, 120)
		check("close", answers["close"], test.answered, 120)
		events := s.Events()
		check("webhook", s.webhook(events[len(events)-1].ID).Content.Invoice, test.sent, 120)
	}
}

// A cursor of a cut answer is valid for a retrieve.
func TestCutAnswerCursor(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{CutAnswers: 2})
	draft := s.draftOf(4)
	cursor := s.charge(draft.ID, "9", "").Invoice.LineItemsNextOffset
	answer := s.get(draft.ID, "line_items_offset="+cursor)
	if lines := answer.Invoice.LineItems; len(lines) != 3 || lines[2].Amount != 9 {
		t.Errorf("%d %s", answer.status, answer.raw)
	}
}
