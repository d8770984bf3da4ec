package chargebeeapi_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// The offsets of the responses are used, whatever the page size of the site.
func TestClient_PagesLines(t *testing.T) {
	t.Parallel()
	const lines = 230
	for name, test := range map[string]struct {
		site  chargebee.Config
		pages int // at least
	}{
		"full pages":     {chargebee.Config{}, 3},
		"short pages":    {chargebee.Config{ShortPages: true}, 4},
		"whole invoices": {chargebee.Config{WholeInvoices: true}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, of(test.site), func(s *site) {
				draft := s.renew("ada-2")
				for n := range lines {
					one := charge(draft)
					one.IdempotencyKey = fmt.Sprint("key-", n)
					if _, err := s.add(one); err != nil {
						s.t.Fatal(err)
					}
				}
				seen, pages := map[string]bool{}, 0
				for page := (billing.LinePage{InvoiceID: draft}); ; pages++ {
					invoice, err := s.read(page)
					if err != nil {
						s.t.Fatal(err)
					}
					for _, line := range invoice.Lines {
						seen[line.ID] = true
					}
					if page.Offset = invoice.NextOffset; page.Offset == "" {
						break
					}
				}
				if len(seen) != lines || pages+1 < test.pages {
					s.t.Errorf("%d lines on %d pages", len(seen), pages+1)
				}
			})
		})
	}
}

// The list is ordered by last change, from a time on.
func TestClient_PagesInvoices(t *testing.T) {
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
			page, err := s.client.ListInvoices(s.t.Context(), s.permit(), query)
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
		page, err := s.client.ListInvoices(s.t.Context(), s.permit(), query)
		if err != nil || page.Next != "" || len(page.Invoices) != 0 {
			s.t.Errorf("bob has %+v: %v", page, err)
		}
	})
}

// The list is ordered by the date, which does not change while invoices are charged.
func TestClient_PagesPendingInvoices(t *testing.T) {
	t.Parallel()
	inBubble(t, of(chargebee.Config{KeepDate: true}), func(s *site) {
		const invoices = 230
		want := map[string]bool{}
		for i := range invoices {
			id := s.renew("ada-1")
			want[id] = true
			if i%2 == 0 {
				continue
			}
			if _, err := s.client.Close(s.t.Context(), s.permit(), billing.Close{InvoiceID: id, IdempotencyKey: id}); err != nil {
				s.t.Fatal(err)
			}
			delete(want, id)
			time.Sleep(time.Second)
		}
		query, pages := billing.InvoiceQuery{Pending: true}, 0
		for {
			page, err := s.client.ListInvoices(s.t.Context(), s.permit(), query)
			if err != nil {
				s.t.Fatal(err)
			}
			for _, invoice := range page.Invoices {
				if !want[invoice.ID] || invoice.Status != billing.StatusPending || invoice.CustomerID != "ada" || len(invoice.Lines) != 1 {
					s.t.Errorf("listed %+v", invoice)
				}
				delete(want, invoice.ID)
				one := charge(invoice.ID)
				one.IdempotencyKey = "of " + invoice.ID
				if _, err := s.add(one); err != nil { // which changes it
					s.t.Fatal(err)
				}
			}
			pages++
			if query.Offset = page.Next; query.Offset == "" {
				break
			}
		}
		if len(want) != 0 || pages != 2 {
			s.t.Errorf("%d were not listed on %d pages", len(want), pages)
		}
	})
}

func TestClient_Time(t *testing.T) {
	t.Parallel()
	at := time.Date(2030, 2, 3, 4, 5, 6, 999, time.UTC)
	bothWays(t, of(chargebee.Config{Now: func() time.Time { return at }}), func(s *site) {
		got, err := s.client.Time(s.t.Context(), s.permit())
		if err != nil || !got.Equal(at.Truncate(time.Second)) {
			s.t.Errorf("got %s, %v", got, err)
		}
	})
}
