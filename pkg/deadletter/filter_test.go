package deadletter_test

import (
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/queue"
)

func TestFilter_Matches(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)
	messages := holding(
		queue.Message{ID: "a", Body: body("draft_1", `,"subscription_id":"sub_1"`), Attributes: attributes("reason", "too_old", "failed_at", "2026-01-01T00:00:00Z")},
		queue.Message{ID: "b", Body: body("draft_2", `,"line_items":[{"subscription_id":"sub_1"},{"subscription_id":"sub_2"}]`), Attributes: attributes("reason", "line_limits", "failed_at", "2026-01-02T23:00:00Z")},
		queue.Message{ID: "c", SentAt: now.Add(-time.Hour), Attributes: attributes("event_id", "ev_c")}, // moved by the queue
	)
	for name, test := range map[string]struct {
		filter deadletter.Filter
		want   string
	}{
		"all":                       {deadletter.Filter{}, "abc"},
		"a reason":                  {deadletter.Filter{Reason: "too_old"}, "a"},
		"no reason":                 {deadletter.Filter{Reason: deadletter.NoReason}, "c"},
		"a customer":                {deadletter.Filter{Customer: "cust_1"}, "ab"},
		"another customer":          {deadletter.Filter{Customer: "cust_2"}, ""},
		"a subscription":            {deadletter.Filter{Subscription: "sub_1"}, "ab"},
		"a subscription of a line":  {deadletter.Filter{Subscription: "sub_2"}, "b"},
		"an invoice":                {deadletter.Filter{Invoice: "draft_2"}, "b"},
		"an event":                  {deadletter.Filter{Event: "ev_draft_1"}, "a"},
		"an event of an attribute":  {deadletter.Filter{Event: "ev_c"}, "c"},
		"a message":                 {deadletter.Filter{Event: "b"}, "b"},
		"older":                     {deadletter.Filter{OlderThan: 24 * time.Hour}, "a"},
		"older, by when it was put": {deadletter.Filter{OlderThan: 59 * time.Minute}, "abc"},
		"newer":                     {deadletter.Filter{NewerThan: 2 * time.Hour}, "bc"},
		"some messages":             {deadletter.Filter{Messages: map[string]bool{"a": true, "c": true}}, "ac"},
		"no messages":               {deadletter.Filter{Messages: map[string]bool{}}, ""},
		"all of it":                 {deadletter.Filter{Reason: "too_old", Subscription: "sub_1", OlderThan: time.Hour}, "a"},
		"one is wrong":              {deadletter.Filter{Reason: "too_old", Subscription: "sub_2"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listing, err := deadletter.List(t.Context(), messages, knowing(), test.filter, now)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, message := range listing.Messages {
				got.WriteString(message.MessageID)
			}
			if len(got.String()) != len(test.want) || strings.Trim(got.String(), test.want) != "" {
				t.Errorf("got %q, want %q", got.String(), test.want)
			}
			if test.filter.IsEmpty() != (name == "all") {
				t.Errorf("empty is %t", test.filter.IsEmpty())
			}
		})
	}
}
