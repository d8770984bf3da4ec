package chargebee_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// lagging lets every GET look back as far as lag points to at the time.
func lagging(lag *time.Duration) chargebee.Config {
	faults := sandbox.FaultFunc(func(operation string) sandbox.Fault {
		if operation == "retrieve" || strings.HasPrefix(operation, "list") {
			return sandbox.Fault{Lag: *lag}
		}
		return sandbox.Fault{}
	})
	return chargebee.Config{Faults: faults, MaxReadLag: time.Hour}
}

// A GET that lags behind sees everything as it was at one moment: what was not
// there yet, what has changed since, and a draft that is closed by now.
func TestReadLag(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lag time.Duration
		s := newSite(t, lagging(&lag))
		time.Sleep(time.Minute)
		draft := s.renew("ada-1") // at minute 1
		time.Sleep(time.Minute)
		s.charge(draft.ID, "7", "") // at minute 2
		time.Sleep(time.Minute)
		closed := s.must(request{path: "invoices/" + draft.ID + "/close"}).Invoice // at minute 3
		time.Sleep(time.Minute)
		if err := s.DeleteInvoice(closed.ID); err != nil { // at minute 4
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // now is minute 5

		pending := "draft 1000 pending"
		charged := "draft 1007 pending"
		issued := "1 1007 payment_due"
		for _, test := range []struct {
			lag    time.Duration
			single string // what the two ids answer
			list   string
		}{
			{5 * time.Minute, "", ""},
			{4*time.Minute + 1, "", ""},
			{4 * time.Minute, pending, pending},
			{3*time.Minute + 1, pending, pending},
			{3 * time.Minute, charged, charged},
			{2*time.Minute + 1, charged, charged},
			{2 * time.Minute, issued, issued},
			{time.Minute + 1, issued, issued},
			{time.Minute, "", ""},
			{0, "", ""},
		} {
			lag = test.lag
			describe := func(i chargebee.Invoice) string {
				total := map[int64]string{1000: " 1000 ", 1007: " 1007 "}[i.Total]
				return strings.Replace(i.ID, draft.ID, "draft", 1) + total + i.Status
			}
			var single, list []string
			for _, id := range []string{draft.ID, closed.ID} {
				switch answer := s.get(id, ""); answer.status {
				case http.StatusOK:
					single = append(single, describe(answer.Invoice))
				case http.StatusNotFound:
				default:
					t.Errorf("lag %s: %d %s", test.lag, answer.status, answer.raw)
				}
			}
			for _, one := range s.must(request{method: http.MethodGet, path: "invoices"}).List {
				list = append(list, describe(one.Invoice))
			}
			if got := strings.Join(single, ", "); got != test.single {
				t.Errorf("lag %s: retrieved %q, want %q", test.lag, got, test.single)
			}
			if got := strings.Join(list, ", "); got != test.list {
				t.Errorf("lag %s: listed %q, want %q", test.lag, got, test.list)
			}
		}

		lag = 3 * time.Minute
		filtered := request{method: http.MethodGet, path: "invoices", query: "status[is]=pending&include_deleted=true"}
		if got := s.must(filtered).List; len(got) != 1 || len(got[0].Invoice.LineItems) != 2 {
			t.Errorf("the filters look at another time: %+v", got)
		}
		lag = 0
		if got := s.must(filtered).List; len(got) != 0 {
			t.Errorf("without a lag: %+v", got)
		}
	})
}

// No GET looks back further than the site remembers, and what it remembers does
// not depend on how much has happened since.
func TestReadLagBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lag := 100 * time.Hour
		s := newSite(t, lagging(&lag))
		draft := s.renew("ada-1")
		var amounts []int
		for range 200 {
			time.Sleep(time.Minute)
			s.charge(draft.ID, "1", "")
			amounts = append(amounts, len(s.get(draft.ID, "line_items_limit=300").Invoice.LineItems))
		}
		// After n minutes there are n charges and the plan; an hour ago there were 60 fewer.
		for i, got := range amounts {
			if want := max(i+2-60, 0); got != want && i >= 60 || i < 59 && got != 0 {
				t.Fatalf("after %d charges a GET sees %d lines, want %d", i+1, got, want)
			}
		}
		if !slices.IsSorted(amounts) {
			t.Errorf("GETs went back in time: %v", amounts)
		}
	})
}

// A site that remembers nothing has no lag.
func TestNoReadLag(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lag := time.Hour
		config := lagging(&lag)
		config.MaxReadLag = 0
		s := newSite(t, config)
		draft := s.renew("ada-1")
		if answer := s.get(draft.ID, ""); answer.status != http.StatusOK {
			t.Errorf("%d %s", answer.status, answer.raw)
		}
	})
}
