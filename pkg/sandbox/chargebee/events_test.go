package chargebee_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// everything is all events of the site.
var everything = []string{
	chargebee.EventPendingInvoiceCreated, chargebee.EventPendingInvoiceUpdated,
	chargebee.EventInvoiceGenerated, chargebee.EventInvoiceDeleted,
}

// Every change reaches a receiver that has subscribed to it: by the API, by operators and by itself.
func TestSubscribedEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{Events: everything, AutoClose: time.Hour, APIVersion: "v1"})
		s.sell()
		draft := s.renew("ada-1")
		s.charge(draft.ID, "1", "")
		s.must(itemRequest(draft.ID, "item_price[item_price_id]=setup"))
		time.Sleep(2 * time.Hour)
		if err := s.DeleteInvoice("1"); err != nil {
			t.Fatal(err)
		}

		receiver := &endpoint{}
		s.deliver(receiver, chargebee.Endpoint{Concurrency: 1}, time.Minute)
		var got []string
		for _, one := range receiver.all() {
			_, after, _ := strings.Cut(one.body, `"event_type":"`)
			name, _, _ := strings.Cut(after, `"`)
			_, after, _ = strings.Cut(one.body, `"source":"`)
			source, _, _ := strings.Cut(after, `"`)
			got = append(got, source+" "+name)
			if !strings.Contains(one.body, `"api_version":"v1"`) {
				t.Errorf("another api_version in %s", one.body)
			}
		}
		want := []string{
			"scheduled_job pending_invoice_created", "api pending_invoice_updated", "api pending_invoice_updated",
			"scheduled_job invoice_generated", "admin_console invoice_deleted",
		}
		if !slices.Equal(got, want) {
			t.Errorf("received %q", got)
		}
	})
}
