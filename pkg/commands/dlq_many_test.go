package commands_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/billable-events/billable/pkg/deadletter"
)

// usualBody is the usual size of a webhook of Chargebee.
const usualBody = 5700

// sendDeadLetters sends webhooks of their usual size to the dead-letter queue.
func (d *deployment) sendDeadLetters(count int) {
	d.t.Helper()
	var entries []types.SendMessageBatchRequestEntry
	for i := range count {
		body := fmt.Sprintf(`{"id":"ev_%05d","event_type":"pending_invoice_created","api_version":"v2","content":{"invoice":{"id":"draft_%05d",`+
			`"customer_id":"c","subscription_id":"s","currency_code":"EUR","status":"pending","date":1767225600,"note":"`, i, i)
		body += strings.Repeat("x", usualBody-len(body)-len(`"}}}`)) + `"}}}`
		entries = append(entries, types.SendMessageBatchRequestEntry{
			Id: aws.String(fmt.Sprint(i % 10)), MessageBody: &body, MessageGroupId: aws.String("c"),
			MessageAttributes: map[string]types.MessageAttributeValue{"reason": {DataType: aws.String("String"), StringValue: aws.String("too_old")}},
		})
	}
	for batch := range slices.Chunk(entries, 10) {
		if _, err := d.sqs.SendMessageBatch(d.t.Context(), &awssqs.SendMessageBatchInput{QueueUrl: aws.String(d.deadURL()), Entries: batch}); err != nil {
			d.t.Fatal(err)
		}
	}
}

// Each is listed and replayed once.
func TestDLQ_ThousandsOfMessages(t *testing.T) {
	t.Parallel()
	count := 5000
	if raced || testing.Short() {
		count = 300
	}
	d := deploy(t)
	d.environ = append(d.environ, "BILLABLE_CHARGEBEE_REQUESTS_PER_MINUTE=1000000") // pace is tested elsewhere
	d.must("tables", "create")
	d.sendDeadLetters(count)
	d.hold("draft_00007", 100, 20)

	var listing struct {
		Complete bool
		Messages []struct {
			EventID      string `json:"event_id"`
			ChargeAtRisk *int64 `json:"charge_at_risk"`
		}
		Groups []struct {
			Count  int
			AtRisk []struct {
				Amount       int64
				CurrencyCode string `json:"currency_code"`
			} `json:"at_risk"`
		}
	}
	if err := json.Unmarshal([]byte(d.must("dlq", "list", "--output", "json")), &listing); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, message := range listing.Messages {
		seen[message.EventID] = true
		if (message.ChargeAtRisk != nil) != (message.EventID == "ev_00007") {
			t.Errorf("%s: %v is at risk", message.EventID, message.ChargeAtRisk)
		}
	}
	if !listing.Complete || len(seen) != count || len(listing.Messages) != count || len(listing.Groups) != 1 || len(listing.Groups[0].AtRisk) != 1 || listing.Groups[0].AtRisk[0].Amount != 120 {
		t.Errorf("%d letters of %d, complete %t, groups %+v", len(seen), count, listing.Complete, listing.Groups)
	}
	for _, message := range queues.Messages(d.name + "_dead") {
		if message.ReceiveCount != 1 {
			t.Fatalf("a letter was received %d times", message.ReceiveCount)
		}
	}

	if got := d.must("dlq", "replay", "--yes"); !strings.Contains(got, fmt.Sprintf("replayed   %4d", count)) {
		t.Errorf("got %s", got)
	}
	clear(seen)
	for _, message := range queues.Messages(d.name) {
		seen[message.Body[:len(`{"id":"ev_00000"`)]] = true
	}
	if got := len(queues.Messages(d.name)); got != count || len(seen) != count || len(queues.Messages(d.name+"_dead")) != 0 {
		t.Errorf("%d messages of %d letters are in the queue, %d are dead letters", got, len(seen), len(queues.Messages(d.name+"_dead")))
	}
}

// An incomplete listing without messages has no empty tables.
func TestList_OnlyInFlight(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	d.sendInvalidDeadLetters("ev", 1)
	_, err := d.sqs.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{QueueUrl: aws.String(d.deadURL()), VisibilityTimeout: 600})
	if err != nil {
		t.Fatal(err)
	}
	want := "No matching dead letters. Incomplete: " + deadletter.Incomplete + ".\n"
	if got := d.must("dlq", "list"); got != want {
		t.Errorf("got %q", got)
	}
}
