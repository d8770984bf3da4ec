package chargebee_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	eventaction "github.com/chargebee/chargebee-go/v3/actions/event"
	"github.com/chargebee/chargebee-go/v3/filter"
	"github.com/chargebee/chargebee-go/v3/models/event"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// everything is all events of the site.
var everything = []string{
	chargebee.EventPendingInvoiceCreated, chargebee.EventPendingInvoiceUpdated,
	chargebee.EventInvoiceGenerated, chargebee.EventInvoiceDeleted,
}

// The real SDK lists events and retrieves one.
func TestSDKEvents(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{Events: everything})
	environment := serve(t, s)
	draft := s.renew("ada-1")
	s.charge(draft.ID, "1", "")
	s.renew("bob-1")

	params := &event.ListRequestParams{
		Limit:         new(int32(1)),
		EventType:     &filter.EnumFilter{Is: chargebee.EventPendingInvoiceCreated},
		WebhookStatus: &filter.EnumFilter{In: []any{"scheduled", "re_scheduled"}},
		OccurredAt:    &filter.TimestampFilter{After: time.Now().Add(-time.Hour).Unix()},
		SortBy:        &filter.SortFilter{Asc: "occurred_at"},
	}
	var ids []string
	for {
		page, err := eventaction.List(params).Contexts(t.Context()).ListRequestWithEnv(environment)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range page.List {
			ids = append(ids, one.Event.Id)
			if one.Event.EventType != "pending_invoice_created" || one.Event.Source != "scheduled_job" || one.Event.ApiVersion != "v2" {
				t.Errorf("event %+v", one.Event)
			}
		}
		if page.NextOffset == "" {
			break
		}
		params.Offset = page.NextOffset
	}
	all := s.Events()
	if !slices.Equal(ids, []string{all[0].ID, all[2].ID}) {
		t.Errorf("listed %v of %+v", ids, all)
	}

	one, err := eventaction.Retrieve(all[1].ID).Contexts(t.Context()).RequestWithEnv(environment)
	if err != nil {
		t.Fatal(err)
	}
	if got := one.Event; got.Id != all[1].ID || got.EventType != "pending_invoice_updated" || got.Source != "api" ||
		eventaction.Content(*got).Invoice.Id != draft.ID {
		t.Errorf("retrieved %+v", got)
	}
}

func TestEventFilters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{Events: everything})
		draft := s.renew("ada-1") // 0
		time.Sleep(7 * 24 * time.Hour)
		s.charge(draft.ID, "1", "")                         // 1
		if _, err := s.CloseInvoice(draft.ID); err != nil { // 2
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := s.DeleteInvoice("1"); err != nil { // 3
			t.Fatal(err)
		}
		all := s.Events()
		for _, test := range []struct{ query, want string }{
			{"", "0 1 2 3"},
			{"sort_by[desc]=occurred_at", "3 2 1 0"},
			{"sort_by[asc]=occurred_at", "0 1 2 3"},
			{"limit=2", "0 1"},
			{"event_type[is]=invoice_generated", "2"},
			{`event_type[in]=["invoice_deleted","pending_invoice_updated"]`, "1 3"},
			{"source[is]=admin_console", "2 3"},
			{"id[is]=" + all[0].ID, "0"},
			{"webhook_status[is]=scheduled", "1 2 3"},
			{"webhook_status[is]=scheduled&occurred_at[after]=0", "0 1 2 3"},
			{"webhook_status[is]=failed", ""},
		} {
			answer := s.must(request{method: http.MethodGet, path: "events", query: test.query})
			var got []string
			for i := range strings.Count(answer.raw, `{"event":`) {
				part := strings.Split(answer.raw, `{"event":`)[i+1]
				at := slices.IndexFunc(all, func(e chargebee.Event) bool { return strings.HasPrefix(part, `{"id":"`+e.ID) })
				got = append(got, string(rune('0'+at)))
			}
			if answer.status != 200 || strings.Join(got, " ") != test.want {
				t.Errorf("%s: %d, events %v, want %s", test.query, answer.status, got, test.want)
			}
		}
		for _, wrong := range []string{"limit=101", "offset=1", "sort_by[asc]=id", "event[is]=x", "include_deleted=true"} {
			if answer := s.must(request{method: http.MethodGet, path: "events", query: wrong}); answer.status != 400 || answer.Code != "param_wrong_value" {
				t.Errorf("%s: %d %s", wrong, answer.status, answer.raw)
			}
		}
		get := request{method: http.MethodGet, path: "events/" + all[0].ID}
		time.Sleep((90-7)*24*time.Hour - 2*time.Second)
		if answer := s.must(get); answer.status != 200 {
			t.Errorf("before 90 days: %d", answer.status)
		}
		time.Sleep(2 * time.Second)
		if answer := s.must(get); answer.status != 404 {
			t.Errorf("after 90 days: %d", answer.status)
		}
		if answer := s.must(request{path: "events/" + all[0].ID}); answer.status != 405 {
			t.Errorf("POST: %d", answer.status)
		}
	})
}

// Every change reaches a receiver that has subscribed to it: by the API, unless
// the call asks for silence, by operators and by itself.
func TestSubscribedEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{Events: everything, AutoClose: time.Hour, APIVersion: "v1"})
		s.sell()
		draft := s.renew("ada-1")
		s.charge(draft.ID, "1", "")
		s.must(itemRequest(draft.ID, "item_price[item_price_id]=setup"))
		quiet := chargeRequest(draft.ID, "1", "")
		quiet.header = http.Header{"Chargebee-Event-Webhook": {"all-disabled"}}
		s.must(quiet)
		time.Sleep(2 * time.Hour)
		s.must(request{path: "invoices/1/delete"})

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
			"scheduled_job invoice_generated", "api invoice_deleted",
		}
		if !slices.Equal(got, want) {
			t.Errorf("received %q", got)
		}
	})
}
