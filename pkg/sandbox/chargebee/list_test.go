package chargebee_test

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

func (s site) list(query url.Values) response {
	s.t.Helper()
	answer := s.must(request{method: http.MethodGet, path: "invoices", query: query.Encode()})
	if answer.status != http.StatusOK {
		s.t.Fatalf("list %v: %d %s", query, answer.status, answer.raw)
	}
	return answer
}

// ids walks all pages of a list.
func (s site) ids(query url.Values) (ids []string, pages int) {
	s.t.Helper()
	for {
		page := s.list(query)
		pages++
		for _, one := range page.List {
			ids = append(ids, one.Invoice.ID)
		}
		if page.Next == "" {
			return ids, pages
		}
		query.Set("offset", page.Next)
	}
}

func TestListFilters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{})
		start := time.Now().Unix()
		at := func(seconds int64) string { return strconv.FormatInt(start+seconds, 10) }
		a := s.renew("ada-1").ID // at 0, changed at 30
		time.Sleep(10 * time.Second)
		b := s.renew("bob-1").ID // at 10
		time.Sleep(10 * time.Second)
		c := s.renew("ada-1", "ada-2").ID // consolidated, at 20, closed at 40
		time.Sleep(10 * time.Second)
		s.charge(a, "1", "")
		time.Sleep(10 * time.Second)
		if _, err := s.CloseInvoice(c); err != nil {
			t.Fatal(err)
		}
		c = "1"

		for _, test := range []struct {
			query url.Values
			want  []string
		}{
			{url.Values{}, []string{a, b, c}}, // in the order of creation; the closed one is the newest record
			{url.Values{"sort_by[asc]": {"date"}}, []string{a, b, c}},
			{url.Values{"sort_by[asc]": {"updated_at"}}, []string{b, a, c}},
			{url.Values{"status[is]": {"pending"}}, []string{a, b}},
			{url.Values{"id[is]": {b}}, []string{b}},
			{url.Values{"customer_id[is]": {"ada"}}, []string{a, c}},
			{url.Values{"subscription_id[is]": {"ada-1"}}, []string{a}}, // no consolidated ones
			{url.Values{"subscription_id[is]": {"ada-1"}, "status[is]": {"paid"}}, nil},
			{url.Values{"updated_at[after]": {at(10)}}, []string{a, c}},
			{url.Values{"updated_at[after]": {at(29)}, "customer_id[is]": {"ada"}}, []string{a, c}},
		} {
			if got, _ := s.ids(test.query); !slices.Equal(got, test.want) {
				t.Errorf("%v: %v, want %v", test.query, got, test.want)
			}
		}
	})
}

// Paging neither skips nor repeats, also among invoices of one second, and
// while invoices come and go.
func TestListPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{})
		var all []string
		for i := range 250 {
			if i%90 == 0 {
				time.Sleep(time.Second)
			}
			all = append(all, s.renew("ada-1").ID)
		}
		got, pages := s.ids(url.Values{"limit": {"100"}, "sort_by[asc]": {"date"}})
		if !slices.Equal(got, all) || pages != 3 {
			t.Errorf("%d invoices on %d pages", len(got), pages)
		}
		got, pages = s.ids(url.Values{})
		if !slices.Equal(got, all) || pages != 25 {
			t.Errorf("by default %d invoices on %d pages", len(got), pages)
		}

		query := url.Values{"limit": {"100"}, "sort_by[asc]": {"date"}, "status[is]": {"pending"}}
		query.Set("offset", s.list(query).Next)
		for _, id := range all[:50] { // those of the first page leave the list
			if _, err := s.CloseInvoice(id); err != nil {
				t.Fatal(err)
			}
		}
		if got, _ := s.ids(query); !slices.Equal(got, all[100:]) {
			t.Errorf("after invoices left, the other pages have %d invoices", len(got))
		}
	})
}

func TestListShowsHundredLines(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{})
	draft := s.renew("ada-1")
	for range 120 {
		if _, err := s.AddLine(draft.ID, chargebee.LineItem{Amount: 1}); err != nil {
			t.Fatal(err)
		}
	}
	listed := s.list(nil).List[0].Invoice
	if len(listed.LineItems) != 100 || listed.LineItemsNextOffset == "" {
		t.Errorf("%d lines, next %q", len(listed.LineItems), listed.LineItemsNextOffset)
	}
}
