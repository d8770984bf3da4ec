package chargebeeapi_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// A site with pages of lines shows them; one without shows all lines, always.
func TestLinePages(t *testing.T) {
	t.Parallel()
	lines := func(s *site) (draft string, ids []string) {
		draft = s.renew("ada-2")
		for n := range 5 {
			one := charge(draft)
			one.IdempotencyKey = fmt.Sprint("key-", n)
			charged, err := s.add(one)
			if err != nil {
				s.t.Fatal(err)
			}
			ids = append(ids, charged.Lines[n].ID)
		}
		return draft, ids
	}
	check := func(s *site, page billing.LinePage, want []string) {
		s.t.Helper()
		invoice, err := s.read(page)
		var got []string
		for _, line := range invoice.Lines {
			got = append(got, line.ID)
		}
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			s.t.Errorf("%+v shows %v, want %v: %v", page, got, want, err)
		}
	}
	bothWays(t, of(chargebee.Config{}), func(s *site) {
		draft, ids := lines(s)
		check(s, billing.LinePage{InvoiceID: draft}, ids)
		check(s, billing.LinePage{InvoiceID: draft, Limit: 2}, ids[:2])
		check(s, billing.LinePage{InvoiceID: draft, Limit: 2, Offset: 2}, ids[2:4])
		check(s, billing.LinePage{InvoiceID: draft, Limit: 2, Offset: 4}, ids[4:])
		check(s, billing.LinePage{InvoiceID: draft, Limit: 2, Offset: 6}, nil)
	})
	t.Run("whole invoices", func(t *testing.T) {
		t.Parallel()
		inBubble(t, of(chargebee.Config{WholeInvoices: true}), func(s *site) {
			draft, ids := lines(s)
			check(s, billing.LinePage{InvoiceID: draft, Limit: 2, Offset: 2}, ids)
		})
	})
}

// A list is read page by page, the oldest change first, from a time on.
func TestInvoicePages(t *testing.T) {
	t.Parallel()
	inBubble(t, of(chargebee.Config{}), func(s *site) {
		const invoices, before = 230, 10
		var ids []string
		for range invoices {
			ids = append(ids, s.renew("ada-1"))
			time.Sleep(time.Second)
		}
		first, _ := s.Invoice(ids[before-1])
		query := billing.InvoiceQuery{CustomerID: "ada", UpdatedAfter: first.UpdatedAt}
		var got []string
		for pages := 1; ; pages++ {
			page, err := s.client.CustomerInvoices(s.t.Context(), s.permit(), query)
			if err != nil {
				s.t.Fatal(err)
			}
			for _, invoice := range page.Invoices {
				got = append(got, invoice.ID)
			}
			if page.Next == "" {
				if pages != 3 {
					s.t.Errorf("%d pages", pages)
				}
				break
			}
			query.Offset = page.Next
		}
		if fmt.Sprint(got) != fmt.Sprint(ids[before:]) {
			s.t.Errorf("%d invoices in the order %v", len(got), got)
		}

		query = billing.InvoiceQuery{CustomerID: "bob"}
		page, err := s.client.CustomerInvoices(s.t.Context(), s.permit(), query)
		if err != nil || page.Next != "" || len(page.Invoices) != 0 {
			s.t.Errorf("bob has %+v: %v", page, err)
		}
	})
}
