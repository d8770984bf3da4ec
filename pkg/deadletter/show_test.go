package deadletter_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/queue"
)

// counting is a dead-letter queue that notes how often it was read.
func counting(reads *int, messages ...queue.Message) browser {
	return func(visit func([]queue.Message) bool) (bool, error) {
		return holding(messages...)(func(some []queue.Message) bool { *reads++; return visit(some) })
	}
}

func TestShow(t *testing.T) {
	t.Parallel()
	full := queue.Message{
		ID: "m4", GroupID: "cust_1", Body: body("draft_1", `,"subscription_id":"sub_1"`), ReceiveCount: 2,
		Attributes:      attributes("event_id", "ev_draft_1", "reason", "line_removed"),
		OtherAttributes: map[string]queue.Attribute{"their.sum": {Type: "Number", Value: []byte("12.5")}, "their.png": {Type: "Binary.png", Value: []byte{0, 1}}},
	}
	ledger := books{
		heads: knowing(billing.Record{InvoiceID: "draft_1", State: billing.Rejected, Resume: billing.Charging, Epoch: "epoch_draft_1", Cursor: 1}),
		plans: map[string]billing.Plan{"draft_1": planOf(1, 2, 4)},
	}
	var others []queue.Message
	for i := range 30 {
		others = append(others, deadLetterOf(fmt.Sprint("other", i), "draft_9"))
	}
	messages := append(append(others[:3:3], full), others[3:]...)
	for _, id := range []string{"m4", "ev_draft_1"} {
		reads := 0
		shown, err := deadletter.Show(t.Context(), counting(&reads, messages...), ledger, id)
		if err != nil {
			t.Fatal(err)
		}
		if reads != 2 {
			t.Errorf("%s: %d reads", id, reads)
		}
		if shown.MessageID != "m4" || *shown.GroupID != "cust_1" || *shown.ChargeAtRisk != 7 || shown.LedgerState != "rejected" || shown.InvoiceToRead != "draft_1" {
			t.Errorf("got %+v", shown)
		}
		if shown.EventType != "pending_invoice_created" || shown.Record == nil || shown.Record.Cursor != 1 || len(shown.Plan.Lines) != 3 {
			t.Errorf("got %+v", shown)
		}
		document, err := json.Marshal(shown)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{
			`"message_id":"m4"`, `"subscription_ids":["sub_1"]`, `"group_id":"cust_1"`, `"body":{"id":"ev_draft_1",`,
			`"attributes":{"event_id":{"type":"String","value":"ev_draft_1"}`, `"their.png":{"type":"Binary.png","value":"AAE="}`, `"their.sum":{"type":"Number","value":"12.5"}`,
		} {
			if !strings.Contains(string(document), part) {
				t.Errorf("the document lacks %s: %s", part, document)
			}
		}
	}
}

// TestShow_NotFound distinguishes a dead letter that does not exist from one that was not visited.
func TestShow_NotFound(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for want, from := range map[error]browser{
		deadletter.ErrUnknown: holding(deadLetterOf("a", "draft_1")),
		deadletter.ErrUnseen:  func(visit func([]queue.Message) bool) (bool, error) { return false, nil },
		broken:                func(visit func([]queue.Message) bool) (bool, error) { return false, broken },
	} {
		if _, err := deadletter.Show(t.Context(), from, knowing(), "b"); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}

// JSON is shown as JSON, everything else as a string.
func TestShow_Body(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		`{"b":1e400,"a":[ ]}`:     `{"b":1e400,"a":[]}`,
		"no JSON \x1b[2J":         `"no JSON \u001b[2J"`,
		"":                        `""`,
		"7":                       `7`,
		"{\"not\":\"text \xff\"}": `"{\"not\":\"text \ufffd\"}"`,
	} {
		shown, err := deadletter.Show(t.Context(), holding(queue.Message{ID: "m", Body: []byte(given)}), knowing(), "m")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(shown.Body); err != nil || string(got) != want {
			t.Errorf("%q: got %s, %v", given, got, err)
		}
		if shown.EventType != "" || shown.InvoiceToRead != "" || shown.Record != nil {
			t.Errorf("%q: %+v", given, shown)
		}
	}
}

// The final invoice is read if there is one.
func TestShow_FinalInvoice(t *testing.T) {
	t.Parallel()
	ledger := knowing(billing.Record{InvoiceID: "draft_1", State: billing.Finished, Outcome: billing.Closed, FinalInvoiceID: "inv_1"})
	shown, err := deadletter.Show(t.Context(), holding(deadLetterOf("a", "draft_1")), ledger, "a")
	if err != nil || shown.InvoiceToRead != "inv_1" || *shown.ChargeAtRisk != 0 {
		t.Errorf("%+v, %v", shown, err)
	}
}
