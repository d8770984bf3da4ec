package deadletter_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/queue"
)

// browser is a dead-letter queue of one function.
type browser func(visit func([]queue.Message) bool) (bool, error)

func (b browser) Browse(_ context.Context, visit func([]queue.Message) bool) (bool, error) {
	return b(visit)
}

// holding is a dead-letter queue with these messages, of which it gives out three at a time.
func holding(messages ...queue.Message) browser {
	return func(visit func([]queue.Message) bool) (bool, error) {
		for some := range slices.Chunk(messages, 3) {
			if !visit(some) {
				return false, nil
			}
		}
		return true, nil
	}
}

// heads is a ledger of one function.
type heads func(invoiceID string) (billing.Record, bool, error)

func (h heads) Record(_ context.Context, invoiceID string) (billing.Record, bool, error) {
	return h(invoiceID)
}

// Plan returns none.
func (heads) Plan(context.Context, string, string) (billing.Plan, error) {
	return billing.Plan{}, billing.ErrNotFound
}

// knowing is a ledger with these heads.
func knowing(known ...billing.Record) heads {
	return func(invoiceID string) (billing.Record, bool, error) {
		i := slices.IndexFunc(known, func(record billing.Record) bool { return record.InvoiceID == invoiceID })
		if i < 0 {
			return billing.Record{}, false, nil
		}
		return known[i], true, nil
	}
}

// body is an event about the given invoice; members are added to the invoice.
func body(invoiceID, members string) []byte {
	return fmt.Appendf(nil, `{"id":"ev_%[1]s","event_type":"pending_invoice_created","api_version":"v2","content":{"invoice":{"id":"%[1]s",`+
		`"customer_id":"cust_1","currency_code":"EUR","status":"pending","date":1767225600%[2]s}}}`, invoiceID, members)
}

// attributes are pairs of names and values.
func attributes(pairs ...string) map[string]string {
	found := map[string]string{}
	for pair := range slices.Chunk(pairs, 2) {
		found[pair[0]] = pair[1]
	}
	return found
}

// first lists one message.
func first(t *testing.T, message queue.Message, ledger heads) deadletter.Message {
	t.Helper()
	listing, err := deadletter.List(t.Context(), holding(message), ledger, deadletter.Filter{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return listing.Messages[0]
}

// TestList_Document compares the JSON of `dlq list` exactly: programs rely on it.
func TestList_Document(t *testing.T) {
	t.Parallel()
	full := queue.Message{
		ID:   "m1",
		Body: body("draft_1", `,"subscription_id":"sub_1"`),
		Attributes: attributes(
			"event_id", "ev_draft_1", "event_type", "pending_invoice_created", "invoice_id", "draft_1",
			"received_at", "2026-01-01T01:00:00+01:00", "reason", "line_removed", "detail", "1 of 2 lines are <gone> & away",
			"failed_at", "2026-01-01T00:05:00Z", "replay_count", "2",
		),
		ReceiveCount: 3,
	}
	moved := queue.Message{
		ID:           "m0",
		Body:         body("draft_2", `,"line_items":[{"id":"li_1","subscription_id":"sub_3"},{"id":"li_2","subscription_id":"sub_2"},{"id":"li_3","subscription_id":"sub_3"},{"id":"li_4"}]`),
		Attributes:   attributes("event_id", "ev_draft_2", "received_at", "2026-01-01T00:00:01Z"),
		ReceiveCount: 1001,
	}
	bare := queue.Message{ID: "m2", Body: []byte("nonsense"), ReceiveCount: 1}
	ledger := books{
		heads: knowing(
			billing.Record{InvoiceID: "draft_1", State: billing.Rejected, Resume: billing.Settling, Dispositions: "sh", Epoch: "epoch_draft_1", Detail: "not this one"},
			billing.Record{InvoiceID: "draft_2", State: billing.Claiming, Detail: "dynamodb: the table is gone"},
		),
		plans: map[string]billing.Plan{"draft_1": planOf(100, 42)},
	}
	for file, from := range map[string]browser{
		"listing.json": holding(bare, moved, full),
		"empty.json":   holding(),
	} {
		listing, err := deadletter.List(t.Context(), from, ledger, deadletter.Filter{}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		if err := cli.WriteJSON(&got, listing); err != nil {
			t.Fatal(err)
		}
		if got.String() != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", file, &got, want)
		}
	}
}

// TestMessage reads messages of all origins. A dead letter is shown as
// event invoice customer subscriptions reason detail ledger.
func TestMessage(t *testing.T) {
	t.Parallel()
	envelope := func(detail []byte) []byte {
		return fmt.Appendf(nil, `{"version":"0","id":"e","detail-type":"x","source":"aws.partner/chargebee.com","detail":%s}`, detail)
	}
	known := attributes("event_id", "ev_a", "invoice_id", "draft_1")
	rejected := attributes("event_id", "ev_a", "invoice_id", "draft_1", "reason", "too_old", "detail", "the message is 144h0m0s old")
	subscriptions := `,"line_items":[{"id":"1","subscription_id":"b"},{"id":"2","subscription_id":""},{"id":"3","subscription_id":"a"},{"id":"4","subscription_id":"b"}]`
	for name, test := range map[string]struct {
		message queue.Message
		want    string
	}{
		"a webhook":                       {queue.Message{Body: body("draft_1", `,"subscription_id":"s"`)}, "ev_draft_1 draft_1 cust_1 [s] - last error charging"},
		"the body over the attributes":    {queue.Message{Body: body("draft_2", ``), Attributes: known}, "ev_draft_2 draft_2 cust_1 [] - - none"},
		"an EventBridge envelope":         {queue.Message{Body: envelope(body("draft_1", `,"subscription_id":"s"`))}, "ev_draft_1 draft_1 cust_1 [s] - last error charging"},
		"an envelope of nonsense":         {queue.Message{Body: envelope([]byte(`{}`))}, "- - - [] - - none"},
		"a consolidated invoice":          {queue.Message{Body: body("draft_2", subscriptions)}, "ev_draft_2 draft_2 cust_1 [a b] - - none"},
		"its own subscription counts":     {queue.Message{Body: body("draft_2", `,"subscription_id":"s"`+subscriptions)}, "ev_draft_2 draft_2 cust_1 [s] - - none"},
		"unreadable, with attributes":     {queue.Message{Body: []byte(`{`), Attributes: rejected}, "ev_a draft_1 - [] too_old the message is 144h0m0s old charging"},
		"unreadable, without":             {queue.Message{Body: []byte("\xff\x00")}, "- - - [] - - none"},
		"nothing at all":                  {queue.Message{}, "- - - [] - - none"},
		"moved by the queue":              {queue.Message{Body: body("draft_1", ``), Attributes: known}, "ev_draft_1 draft_1 cust_1 [] - last error charging"},
		"moved, no head":                  {queue.Message{Body: body("draft_2", ``)}, "ev_draft_2 draft_2 cust_1 [] - - none"},
		"moved, no error in the ledger":   {queue.Message{Body: body("draft_3", ``)}, "ev_draft_3 draft_3 cust_1 [] - - done"},
		"moved, it never was an event":    {queue.Message{Body: []byte("[]"), Attributes: known}, "ev_a draft_1 - [] - last error charging"},
		"an event of another type":        {queue.Message{Body: []byte(`{"event_type":"invoice_updated"}`), Attributes: known}, "ev_a draft_1 - [] - last error charging"},
		"an invoice named like the inner": {queue.Message{Body: body("#ratelimit", ``)}, "- - - [] - - none"},
		"a reason over the ledger":        {queue.Message{Body: body("draft_1", ``), Attributes: rejected}, "ev_draft_1 draft_1 cust_1 [] too_old the message is 144h0m0s old charging"},
		"a reason without a detail":       {queue.Message{Body: body("draft_1", ``), Attributes: attributes("reason", "too_old")}, "ev_draft_1 draft_1 cust_1 [] too_old - charging"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			message := first(t, test.message, knowing(
				billing.Record{InvoiceID: "draft_1", State: billing.Charging, Detail: "last error"},
				billing.Record{InvoiceID: "draft_3", State: billing.Finished},
				billing.Record{InvoiceID: "#ratelimit"}, // an item of the ledger that is not a head
			))
			got := fmt.Sprint(
				orDash(message.EventID), " ", orDash(message.InvoiceID), " ", orDash(message.CustomerID), " ", message.SubscriptionIDs, " ",
				orDash(message.Reason), " ", orDash(message.Detail), " ", message.LedgerState,
			)
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func orDash(value *string) string {
	if value == nil {
		return "-"
	}
	return *value
}

func TestList_ReplayCount(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]int{
		"":                     0,
		"1":                    1,
		"12":                   12,
		"many":                 0,
		"1.5":                  0,
		"99999999999999999999": 0,
	} {
		if got := first(t, queue.Message{Attributes: attributes("replay_count", value)}, knowing()).ReplayCount; got != want {
			t.Errorf("%q: got %d, want %d", value, got, want)
		}
	}
	if got := first(t, queue.Message{}, knowing()).ReplayCount; got != 0 {
		t.Errorf("none: got %d", got)
	}
}

func TestList_Times(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"2026-01-01T00:00:00Z":           "2026-01-01T00:00:00Z",
		"2026-01-01T01:30:00.25+01:30":   "2026-01-01T00:00:00.25Z",
		"":                               "-",
		"yesterday":                      "-",
		"1767225600":                     "-",
		"2026-02-30T00:00:00Z":           "-",
		"9999-12-31T23:59:59-01:00":      "-", // a year that JSON cannot represent
		"0000-01-01T00:00:00+01:00":      "-",
		"2026-01-01T00:00:00Z\x1b[2J":    "-",
		"2026-01-01T00:00:00+00:00":      "2026-01-01T00:00:00Z",
		"2026-01-01T00:00:00.123456789Z": "2026-01-01T00:00:00.123456789Z",
	} {
		message := first(t, queue.Message{Attributes: attributes("failed_at", value, "received_at", value)}, knowing())
		for name, at := range map[string]*time.Time{"failed_at": message.FailedAt, "received_at": message.ReceivedAt} {
			got := "-"
			if at != nil {
				got = at.Format(time.RFC3339Nano)
			}
			if got != want {
				t.Errorf("%s %q: got %s, want %s", name, value, got, want)
			}
		}
	}
}

// Messages are ordered by age, then by id, those without a time last. Groups are ordered by count, then by age.
func TestList_OrderAndGroups(t *testing.T) {
	t.Parallel()
	message := func(id, reason, failedAt string) queue.Message {
		return queue.Message{ID: id, Attributes: attributes("reason", reason, "failed_at", failedAt)}
	}
	const first, second, third = "2026-01-01T00:00:00Z", "2026-01-01T01:00:01+01:00", "2026-01-01T00:00:02Z"
	listing, err := deadletter.List(t.Context(), holding(
		message("h", "", ""),
		message("g", "too_old", third),
		message("f", "", ""),
		message("e", "above_limit", second),
		message("d", "line_limits", ""),
		message("c", "too_old", second),
		message("b", "currency_mismatch", first),
		message("a", "too_old", second),
		message("i", "line_limits", third),
		message("j", "", third),
	), knowing(), deadletter.Filter{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, message := range listing.Messages {
		order = append(order, message.MessageID)
	}
	if got := strings.Join(order, ""); got != "bacegijdfh" {
		t.Errorf("in the order %s", got)
	}
	var groups []string
	for _, group := range listing.Groups {
		groups = append(groups, fmt.Sprintf("%d %s %s", group.Count, orDash(group.Reason), group.Oldest.Format(time.RFC3339)))
	}
	want := []string{
		"3 too_old 2026-01-01T00:00:01Z",
		"3 - 2026-01-01T00:00:02Z", // the oldest of those whose time is known
		"2 line_limits 2026-01-01T00:00:02Z",
		"1 currency_mismatch 2026-01-01T00:00:00Z",
		"1 above_limit 2026-01-01T00:00:01Z",
	}
	if !slices.Equal(groups, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(groups, "\n"), strings.Join(want, "\n"))
	}
}

func TestList_Incomplete(t *testing.T) {
	t.Parallel()
	listing, err := deadletter.List(t.Context(), browser(func(visit func([]queue.Message) bool) (bool, error) {
		visit([]queue.Message{{ID: "m1"}})
		return false, nil
	}), knowing(), deadletter.Filter{}, time.Now())
	if err != nil || listing.Complete || len(listing.Messages) != 1 || len(listing.Groups) != 1 {
		t.Errorf("got %+v, %v", listing, err)
	}
}

// Errors of queue and ledger are returned.
func TestList_Errors(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	var messages []queue.Message
	for i := range 200 {
		messages = append(messages, queue.Message{ID: fmt.Sprint(i), Body: body("draft_1", "")})
	}
	var asked atomic.Int64
	failing := heads(func(string) (billing.Record, bool, error) { asked.Add(1); return billing.Record{}, false, broken })
	listing, err := deadletter.List(t.Context(), holding(messages...), failing, deadletter.Filter{}, time.Now())
	if !errors.Is(err, broken) || listing.Complete || asked.Load() > 100 {
		t.Errorf("the ledger was asked %d times, complete %t: %v", asked.Load(), listing.Complete, err)
	}
	asked.Store(0)
	unseen := browser(func(visit func([]queue.Message) bool) (bool, error) { visit(messages); return true, broken })
	if listing, err := deadletter.List(t.Context(), unseen, failing, deadletter.Filter{}, time.Now()); !errors.Is(err, broken) || listing.Complete || asked.Load() != 0 {
		t.Errorf("the ledger was asked %d times, complete %t: %v", asked.Load(), listing.Complete, err)
	}
}

// The ledger is not read for messages without an invoice.
func TestList_WithoutInvoice(t *testing.T) {
	t.Parallel()
	first(t, queue.Message{Body: []byte(`{"event_type":"x"}`)}, func(invoiceID string) (billing.Record, bool, error) {
		t.Errorf("the ledger was asked about %q", invoiceID)
		return billing.Record{}, false, nil
	})
}

// Whatever the queue contains, the JSON has no null in place of a list.
func FuzzList(f *testing.F) {
	f.Add(body("draft_1", ""), "too_old", "9999-12-31T23:59:59-23:59", "1")
	f.Add([]byte(`{"detail":{}}`), "\xff", "0000-01-01T00:00:00+23:59", "-9223372036854775809")
	f.Add([]byte("\x00"), "", "2026-01-01T00:00:00,5Z", "x")
	f.Fuzz(func(t *testing.T, body []byte, reason, at, count string) {
		listing, err := deadletter.List(t.Context(), holding(queue.Message{
			ID:         "m",
			Body:       body,
			Attributes: attributes("reason", reason, "detail", reason, "failed_at", at, "received_at", at, "replay_count", count, "invoice_id", reason),
		}), knowing(), deadletter.Filter{}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if len(listing.Messages) != 1 || len(listing.Groups) != 1 || listing.Messages[0].SubscriptionIDs == nil {
			t.Errorf("got %+v", listing)
		}
		if _, err := json.Marshal(listing); err != nil {
			t.Error(err)
		}
	})
}
