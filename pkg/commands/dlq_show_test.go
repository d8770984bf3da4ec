package commands_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/dynamostore"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// sendDeadLetter puts one body into the dead-letter queue.
func (d *deployment) sendDeadLetter(body string) {
	d.t.Helper()
	_, err := d.sqs.SendMessage(d.t.Context(), &awssqs.SendMessageInput{
		QueueUrl: aws.String(d.deadURL()), MessageBody: &body,
		MessageAttributes: map[string]types.MessageAttributeValue{
			"reason": {DataType: aws.String("String"), StringValue: aws.String("chargebee_refused")},
			"theirs": {DataType: aws.String("Number"), StringValue: aws.String("7")},
		},
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

// hold writes an invoice into the ledger that was rejected after the first of its lines.
func (d *deployment) hold(invoiceID string, amounts ...int64) {
	d.t.Helper()
	var plan billing.Plan
	for _, amount := range amounts {
		plan.Lines = append(plan.Lines, billing.Line{SubscriptionID: "s", ChargeCode: "calls", Amount: amount, Events: 1})
	}
	store := &dynamostore.Store{Client: d.dynamodb, EventsTable: d.name + "_events", LedgerTable: d.name + "_ledger"}
	err := store.Commit(d.t.Context(), billing.Step{
		Record: billing.Record{
			InvoiceID: invoiceID, State: billing.Rejected, Resume: billing.Charging, Reason: billing.ChargebeeRefused,
			Epoch: "epoch", Version: "w", Pages: 1, Cursor: 1, SchemaVersion: billing.SchemaVersion, UpdatedAt: 1,
		},
		Plan: &plan,
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

// shownDeadLetter is the output of dlq show.
type shownDeadLetter struct {
	MessageID    string `json:"message_id"`
	LedgerState  string `json:"ledger_state"`
	ChargeAtRisk *int64 `json:"charge_at_risk"`
	Body         any
	Attributes   map[string]struct{ Type, Value string }
	Ledger       *struct {
		State string
		Lines []any
	}
	Chargebee *struct {
		Found  bool
		Status *string
	}
	Replay struct {
		Prediction, Detail string
		Billable           *bool
	}
}

func (d *deployment) shows(id string) (message shownDeadLetter, stderr string) {
	d.t.Helper()
	code, stdout, stderr := d.command("dlq", "show", id, "--output", "json")
	if code != 0 {
		d.t.Fatalf("exit code %d: %s", code, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &message); err != nil {
		d.t.Fatalf("%v: %s", err, stdout)
	}
	return message, stderr
}

func TestShow(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	draft, body := d.renew("sub_shown")
	var webhook struct{ ID string }
	if err := json.Unmarshal([]byte(body), &webhook); err != nil {
		t.Fatal(err)
	}
	d.hold(draft, 100, 20, 3)
	d.sendDeadLetter(body)

	message, stderr := d.shows(webhook.ID)
	if stderr != "" || message.LedgerState != "rejected" || message.ChargeAtRisk == nil || *message.ChargeAtRisk != 123 || message.Attributes["theirs"].Value != "7" {
		t.Errorf("got %+v, %s", message, stderr)
	}
	if members, ok := message.Body.(map[string]any); !ok || members["id"] != webhook.ID {
		t.Errorf("the body is %v", message.Body)
	}
	if message.Ledger == nil || message.Ledger.State != "rejected" || len(message.Ledger.Lines) != 3 {
		t.Errorf("the ledger says %+v", message.Ledger)
	}
	if message.Chargebee == nil || !message.Chargebee.Found || *message.Chargebee.Status != "pending" {
		t.Errorf("Chargebee says %+v", message.Chargebee)
	}
	if replay := message.Replay; replay.Prediction != "resumes_at_line" || !strings.Contains(replay.Detail, "line 2 of 3") || replay.Billable == nil || !*replay.Billable {
		t.Errorf("a replay: %+v", replay)
	}
	table := d.must("dlq", "show", message.MessageID)
	for _, part := range []string{"resumes at line 2 of 3", draft + " is pending", "EUR 1.23", "attribute theirs (Number)", "\n  \"content\": {", "1 of 3", "can be billed"} {
		if !strings.Contains(table, part) {
			t.Errorf("the table lacks %q:\n%s", part, table)
		}
	}
	if list := d.must("dlq", "list"); strings.Count(list, "EUR 1.23") != 2 || !strings.Contains(list, "AGE") {
		t.Errorf("the listing:\n%s", list)
	}
	for _, message := range queues.Messages(d.name + "_dead") {
		if message.State != sqs.Visible {
			t.Errorf("the letter is %v", message.State)
		}
	}
}

// Unknown values are null, and the reason is printed.
func TestShow_WithoutChargebee(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	d.sendInvalidDeadLetters("ev", 1)
	if message, _ := d.shows("ev_000"); message.Chargebee == nil || message.Chargebee.Found || message.Replay.Prediction != "finds_gone" {
		t.Errorf("an invoice that is not there: %+v", message)
	}
	d.must("pause", "--reason", "month end", "--yes")
	for name, prepare := range map[string]func(){
		"(month end)":                   func() {},
		"chargebee.api_key is not set":  func() { d.environ = append(d.environ, "BILLABLE_CHARGEBEE_API_KEY=") },
		"chargebee.site or chargebee.a": func() { d.environ = append(d.environ, "BILLABLE_CHARGEBEE_BASE_URL=") },
	} {
		calls := len(d.chargebee.Calls())
		environ := d.environ
		prepare()
		message, stderr := d.shows("ev_000")
		if message.Chargebee != nil || message.Replay.Prediction != "new_epoch" || message.Replay.Billable != nil || !strings.Contains(stderr, name) {
			t.Errorf("%s: %+v, %s", name, message, stderr)
		}
		if got := len(d.chargebee.Calls()); got != calls {
			t.Errorf("%s: Chargebee was called", name)
		}
		d.environ = environ
	}
}

// Control characters in the body are escaped.
func TestShow_InvalidEvent(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	d.sendDeadLetter("no JSON,\tbut \u202eturned\u009b2J")
	id := queues.Messages(d.name + "_dead")[0].ID
	if message, _ := d.shows(id); message.Body != "no JSON,\tbut \u202eturned\u009b2J" || message.Replay.Prediction != "unreadable" || message.Ledger != nil || message.ChargeAtRisk != nil {
		t.Errorf("got %+v", message)
	}
	if table := d.must("dlq", "show", id); !strings.Contains(table, "no JSON,\tbut \\u202eturned\\u009b2J\n") {
		t.Errorf("got %q", table)
	}
	if code, stdout, stderr := d.command("dlq", "show", "ev_000"); code != 1 || stdout != "" || !strings.Contains(stderr, "dead letter not found: ev_000") {
		t.Errorf("an unknown id: exit code %d, %s%s", code, stdout, stderr)
	}
	if code, _, _ := d.command("dlq", "show"); code != 2 {
		t.Errorf("no id: exit code %d", code)
	}
}

// An event that cannot be billed is predicted as invoice plan predicts it, and as the replay ends.
func TestShow_InvalidBillableEvent(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	d.event("sub_foreign", "e1", "7", "USD")
	draft, body := d.renew("sub_foreign")
	d.send(body)
	r := d.start()
	r.await(t, "message handled")
	r.stop()
	id := queues.Messages(d.name + "_dead")[0].ID

	message, stderr := d.shows(id)
	plan := decode[shownPreview](d, "invoice", "plan", draft)
	if replay := message.Replay; replay.Prediction != "rejected_again" || !strings.Contains(replay.Detail, "currency_mismatch: "+*plan.Detail) || replay.Billable == nil || !*replay.Billable || stderr != "" {
		t.Errorf("got %+v, %s", replay, stderr)
	}
	if message.Chargebee == nil || *message.Chargebee.Status != "pending" {
		t.Errorf("got %+v", message.Chargebee)
	}
	if table := d.must("dlq", "show", id); !strings.Contains(table, "not yet: correct the cause first") {
		t.Errorf("got %s", table)
	}
}
