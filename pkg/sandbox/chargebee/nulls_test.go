package chargebee_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// webhook is the body of a webhook.
type webhook struct {
	ID      string
	Type    string `json:"event_type"`
	Content struct{ Invoice chargebee.Invoice }
}

// webhook returns the body of an event's webhook.
func (s site) webhook(eventID string) webhook {
	s.t.Helper()
	var body webhook
	if err := json.Unmarshal(s.Payload(eventID), &body); err != nil {
		s.t.Fatal(err)
	}
	return body
}

// attribute returns the JSON of an attribute below path; "" if it is absent.
func attribute(t *testing.T, body string, path ...any) string {
	t.Helper()
	current := json.RawMessage(body)
	for _, step := range path {
		switch step := step.(type) {
		case string:
			var object map[string]json.RawMessage
			if err := json.Unmarshal(current, &object); err != nil {
				t.Fatalf("%v in %s: %v", path, body, err)
			}
			current = object[step]
		case int:
			var array []json.RawMessage
			if err := json.Unmarshal(current, &array); err != nil || len(array) <= step {
				t.Fatalf("%v in %s: %v", path, body, err)
			}
			current = array[step]
		}
	}
	return string(current)
}

// Optional attributes without a value are null, or left out by a site that does
// so.
func TestNulls(t *testing.T) {
	t.Parallel()
	for _, omits := range []bool{false, true} {
		absent := "null"
		if omits {
			absent = ""
		}
		s := newSite(t, chargebee.Config{OmitsNulls: omits})
		draft, event, err := s.Renew(chargebee.Renewal{
			SubscriptionIDs: []string{"ada-1", "ada-2"},
		})
		if err != nil {
			t.Fatal(err)
		}
		charge := chargeRequest(draft.ID, "5", "")
		charge.form += "&subscription_id=ada-2"
		s.must(charge)
		retrieved := s.get(draft.ID, "").raw
		listed := s.must(request{method: http.MethodGet, path: "invoices"}).raw
		single := s.get(s.renew("ada-1").ID, "").raw

		for _, test := range []struct {
			body string
			path []any
			want string
		}{
			{retrieved, []any{"invoice", "subscription_id"}, absent},
			{retrieved, []any{"invoice", "generated_at"}, absent},
			{retrieved, []any{"invoice", "line_items", 0, "entity_id"}, `"basic-USD-Monthly"`},
			{retrieved, []any{"invoice", "line_items", 1, "entity_id"}, absent},
			{retrieved, []any{"invoice", "line_items", 1, "subscription_id"}, `"ada-2"`},
			{retrieved, []any{"invoice", "line_items_next_offset"}, ""},
			{listed, []any{"list", 0, "invoice", "subscription_id"}, absent},
			{single, []any{"invoice", "subscription_id"}, `"ada-1"`},
			{string(s.Payload(event.ID)), []any{"content", "invoice", "subscription_id"}, absent},
			{string(s.Payload(event.ID)), []any{"content", "invoice", "paid_at"}, absent},
		} {
			if got := attribute(t, test.body, test.path...); got != test.want {
				t.Errorf("omits %t, %v: %s, want %s", omits, test.path, got, test.want)
			}
		}
	}
}

// A bare webhook has nothing optional.
func TestBareWebhooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, chargebee.Config{BareWebhooks: true})
		draft, event, err := s.Renew(chargebee.Renewal{SubscriptionIDs: []string{"ada-1"}})
		if err != nil {
			t.Fatal(err)
		}
		receiver := &endpoint{answer: func(attempt int) int { return []int{500, 200}[attempt-1] }}
		s.deliver(receiver, chargebee.Endpoint{}, time.Hour)
		want := `{"id":"` + event.ID + `","content":{"invoice":{"id":"` + draft.ID + `"}},"event_type":"pending_invoice_created"}`
		all := receiver.all()
		if len(all) != 2 || all[0].body != want || all[1].body != want {
			t.Errorf("received %+v, want %s twice", all, want)
		}
	})
}
