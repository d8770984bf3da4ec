package commands_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// swept is the output of sweep.
type swept struct {
	Complete bool
	DryRun   bool `json:"dry_run"`
	Pending  int
	Enqueued []struct {
		InvoiceID  string `json:"invoice_id"`
		CustomerID string `json:"customer_id"`
		Why        string
		Date       time.Time
		MessageID  *string `json:"message_id"`
	}
	Skipped map[string]int
	Failed  []struct{ Error string }
	Queue   *struct {
		Visible  int
		InFlight int `json:"in_flight"`
	}
	Findings []struct {
		Name, Level    string
		Count          int
		Oldest, Newest *time.Time
		Examples       []string
		Subscriptions  []struct {
			SubscriptionID string `json:"subscription_id"`
			Count          int
		}
		Amounts map[string]int64
	}
}

func (d *deployment) sweep(flags ...string) (code int, result swept) {
	d.t.Helper()
	code, stdout, stderr := d.command(append([]string{"sweep", "--output", "json"}, flags...)...)
	if err := json.Unmarshal([]byte(stdout), &result); err != nil {
		d.t.Fatalf("exit code %d: %v\n%s%s", code, err, stdout, stderr)
	}
	return code, result
}

// put writes an item of texts and numbers.
func (d *deployment) put(table string, item map[string]any) {
	d.t.Helper()
	encoded := map[string]types.AttributeValue{}
	for name, value := range item {
		if text, ok := value.(string); ok {
			encoded[name] = &types.AttributeValueMemberS{Value: text}
		} else {
			encoded[name] = &types.AttributeValueMemberN{Value: fmt.Sprint(value)}
		}
	}
	if _, err := d.dynamodb.PutItem(d.t.Context(), &awsdynamodb.PutItemInput{TableName: aws.String(d.name + table), Item: encoded}); err != nil {
		d.t.Fatal(err)
	}
}

// An invoice without a webhook is enqueued and billed.
func TestSweep_LostWebhook(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	d.event("sub_lost", "e1", "12", "EUR")
	id, _ := d.renew("sub_lost") // and its webhook never arrives

	code, result := d.sweep("--yes")
	if code != 0 || result.DryRun || result.Pending != 1 || len(result.Enqueued) != 0 || result.Skipped["young"] != 1 {
		t.Errorf("a young one: exit code %d, %+v", code, result)
	}
	code, result = d.sweep("--older-than", "0s")
	if code != 0 || !result.Complete || !result.DryRun || len(result.Enqueued) != 1 || result.Enqueued[0].MessageID != nil {
		t.Errorf("a dry run: exit code %d, %+v", code, result)
	}
	if got := queues.Messages(d.name); len(got) != 0 {
		t.Fatalf("a dry run sent %+v", got)
	}
	if table := d.must("sweep", "--older-than", "0s"); !strings.Contains(table, id) || !strings.Contains(table, "Dry run: nothing was changed") {
		t.Errorf("got %s", table)
	}
	for range 2 { // twice, before a consumer has started
		code, result = d.sweep("--older-than", "0s", "--yes")
		if code != 0 || len(result.Enqueued) != 1 {
			t.Fatalf("exit code %d, %+v", code, result)
		}
	}
	if one := result.Enqueued[0]; one.InvoiceID != id || one.CustomerID != "customer_of_sub_lost" || one.Why != "never_begun" || one.MessageID == nil {
		t.Errorf("got %+v", one)
	}
	if result.Queue == nil || result.Queue.Visible != 1 || len(result.Findings) != 1 || result.Findings[0].Name != "queue_not_empty" {
		t.Errorf("with a message in the queue: %+v", result)
	}
	messages := queues.Messages(d.name)
	if len(messages) != 2 || messages[0].GroupID != "customer_of_sub_lost" || messages[0].Attributes["invoice_id"] != id || messages[0].Attributes["event_type"] != "pending_invoice_created" {
		t.Fatalf("got %+v", messages)
	}

	d.environ = append(d.environ, "BILLABLE_WORKER_CONCURRENCY=1")
	r := d.start()
	for _, want := range []string{"closed", "repeated"} {
		if entry := r.await(t, "message handled"); entry["outcome"] != want {
			t.Errorf("got %v, want %s", entry, want)
		}
	}
	r.stop()
	if code, result = d.sweep("--older-than", "0s"); code != 0 || result.Pending != 0 || len(result.Enqueued) != 0 {
		t.Errorf("afterwards: exit code %d, %+v", code, result)
	}
	if table := d.must("sweep"); !strings.Contains(table, "pending at Chargebee") {
		t.Errorf("got %s", table)
	}
}

// An invoice that is voided after it was closed is reported, until its events are released for the next one.
func TestSweep_VoidedInvoice(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	r := d.start()
	d.event("sub_voided", "e1", "12", "EUR")
	_, body := d.renew("sub_voided")
	d.send(body)
	r.await(t, "message handled")
	r.stop() // the queue is empty then
	final := d.chargebee.Invoices()[0].ID
	if _, result := d.sweep(); len(result.Findings) != 0 {
		t.Errorf("before: %+v", result)
	}
	if err := d.chargebee.VoidInvoice(final); err != nil {
		t.Fatal(err)
	}

	_, result := d.sweep()
	if len(result.Findings) != 1 || result.Findings[0].Name != "voided_after_billing" || result.Findings[0].Examples[0] != final || result.Findings[0].Amounts["EUR"] != 12 {
		t.Errorf("got %+v", result)
	}
	if table := d.must("sweep"); !strings.Contains(table, "  charges: EUR 0.12\n") {
		t.Errorf("got %s", table)
	}
	if code, _, stderr := d.command("invoice", "release", final, "--yes"); code != 1 || !strings.Contains(stderr, "state why with --reason-note") {
		t.Errorf("without a reason: exit code %d, %s", code, stderr)
	}
	if got := d.must("invoice", "release", final, "--reason-note", "wrong plan", "--yes"); !strings.Contains(got, "Released: 1 events unbilled again, 0 billed.\nThe next invoice bills them.\n") {
		t.Errorf("got %s", got)
	}
	if got := d.must("invoice", "show", final); !strings.Contains(got, "wrong plan") {
		t.Errorf("got %s", got)
	}
	if _, result := d.sweep(); len(result.Findings) != 0 {
		t.Errorf("afterwards: %+v", result)
	}
	_, next := d.renew("sub_voided")
	d.send(next)
	r = d.start()
	if entry := r.await(t, "message handled"); entry["outcome"] != "closed" || entry["events"] != 1.0 {
		t.Errorf("got %v", entry)
	}
}

// Claims that a restored ledger does not have are reported and released.
func TestSweep_ClaimsWithoutRecord(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	id, _ := d.renew("sub_restored")
	d.put("_events", map[string]any{
		"subscription_id": "sub_restored", "event_id": "e1", "occurred_at": time.Now().Unix(), "charge_code": "calls", "amount": 12, "currency_code": "EUR",
		"status": "claimed", "invoice_id": id,
	})
	if _, result := d.sweep(); len(result.Findings) != 0 {
		t.Errorf("by default: %+v", result)
	}
	_, result := d.sweep("--check-claims")
	if len(result.Findings) != 1 || result.Findings[0].Name != "claims_without_record" || result.Findings[0].Examples[0] != id {
		t.Errorf("got %+v", result)
	}
	if got := d.must("invoice", "release", id, "--unrecorded"); !strings.Contains(got, "Would be: 1 events unbilled again, 0 billed.") {
		t.Errorf("a dry run: %s", got)
	}
	if got := d.must("invoice", "release", id, "--unrecorded", "--yes"); !strings.Contains(got, "Released: 1 events unbilled again, 0 billed.") {
		t.Errorf("got %s", got)
	}
	if got := d.must("invoice", "release", id, "--unrecorded", "--yes"); !strings.Contains(got, "there is nothing to release") {
		t.Errorf("again: %s", got)
	}
	if _, result := d.sweep("--check-claims"); len(result.Findings) != 0 {
		t.Errorf("afterwards: %+v", result)
	}
}

// Invoices that are finished as configured, and those that an operator must handle, are skipped.
func TestSweep_Skips(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	d.environ = append(d.environ, "BILLABLE_INVOICE_CLOSE=false")
	d.event("sub_open", "e1", "12", "EUR")
	d.event("sub_foreign", "e1", "12", "USD")
	open, openBody := d.renew("sub_open")
	_, foreignBody := d.renew("sub_foreign")
	r := d.start()
	d.send(openBody)
	d.send(foreignBody)
	for range 2 {
		r.await(t, "message handled")
	}
	r.stop()

	code, result := d.sweep("--older-than", "0s", "--yes")
	if code != 0 || result.Pending != 2 || len(result.Enqueued) != 0 || result.Skipped["left_open"] != 1 || result.Skipped["rejected"] != 1 || len(result.Findings) != 0 {
		t.Errorf("exit code %d, %+v", code, result)
	}
	d.environ = append(d.environ, "BILLABLE_INVOICE_CLOSE=true")
	code, result = d.sweep("--older-than", "0s", "--yes")
	if code != 0 || len(result.Enqueued) != 0 || len(result.Findings) != 1 || result.Findings[0].Name != "left_open" || result.Findings[0].Examples[0] != open {
		t.Errorf("with closing on: exit code %d, %+v", code, result)
	}
}

// Abandoned invoices are enqueued, and claims and events that nothing bills are reported.
func TestSweep_Findings(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	left, _ := d.renew("sub_left")
	closed, _ := d.renew("sub_closed")
	hoursAgo := time.Now().Add(-3 * time.Hour).Unix()
	d.put("_ledger", map[string]any{"invoice_id": left, "state": "charging", "pages": 1, "version": 1, "updated_at": hoursAgo})
	d.put("_ledger", map[string]any{"invoice_id": closed, "state": "done", "outcome": "closed", "pages": 1, "version": 1, "updated_at": hoursAgo})
	d.sendInvalidDeadLetters("ev", 1) // draft_ev_000
	for _, id := range []string{"draft_held", "draft_lost", "draft_ev_000"} {
		d.put("_ledger", map[string]any{"invoice_id": id, "state": "rejected", "resume": "charging", "pages": 1, "version": 1, "updated_at": hoursAgo})
	}
	for id, age := range map[string]time.Duration{"old": 40 * 24 * time.Hour, "ahead": -48 * time.Hour, "fresh": time.Hour} {
		d.put("_events", map[string]any{
			"subscription_id": "sub_gone", "event_id": id, "unbilled": "sub_gone", "charge_code": "calls", "amount": 1, "currency_code": "EUR",
			"occurred_at": time.Now().Add(-age).Unix(),
		})
	}

	code, result := d.sweep("--yes")
	if code != 0 || !result.Complete || len(result.Enqueued) != 1 || result.Enqueued[0].InvoiceID != left || result.Enqueued[0].Why != "left_behind" {
		t.Errorf("exit code %d, %+v", code, result)
	}
	want := map[string]string{
		"closed_but_pending":     "error 1 [" + closed + "]",
		"orphaned_claims":        "error 2 [draft_held draft_lost]",
		"old_unbilled_events":    "warning 1 [sub_gone/old]",
		"future_unbilled_events": "warning 1 [sub_gone/ahead]",
	}
	for _, found := range result.Findings {
		if got := fmt.Sprint(found.Level, " ", found.Count, " ", found.Examples); got != want[found.Name] || found.Oldest == nil || found.Newest == nil {
			t.Errorf("%s: got %s, want %s", found.Name, got, want[found.Name])
		}
		delete(want, found.Name)
	}
	if len(want) > 0 {
		t.Errorf("not found: %v", want)
	}
	if table := d.must("sweep"); !strings.Contains(table, "orphaned_claims") || !strings.Contains(table, "draft_held draft_lost") {
		t.Errorf("got %s", table)
	}
	if _, result = d.sweep("--events-older-than", "30m"); result.Findings[len(result.Findings)-2].Count != 2 {
		t.Errorf("events older than half an hour: %+v", result.Findings)
	}
}

// If a part fails, the exit code is 1 and the other results are printed.
func TestSweep_Partial(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	d.must("pause", "--reason", "a price is wrong", "--yes")
	d.put("_events", map[string]any{"subscription_id": "sub", "event_id": "old", "unbilled": "sub", "occurred_at": 1})
	code, result := d.sweep("--yes")
	if code != 1 || result.Complete || result.Pending != 0 || len(result.Findings) != 1 || result.Findings[0].Name != "old_unbilled_events" {
		t.Errorf("paused: exit code %d, %+v", code, result)
	}
	if code, _, stderr := d.command("sweep"); code != 1 || !strings.Contains(stderr, "a price is wrong") || !strings.Contains(stderr, "incomplete sweep") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	d.must("resume", "--yes")

	d.renew("sub")
	denied.deny("SendMessage", d.name)
	if code, result = d.sweep("--yes", "--older-than", "0s"); code != 1 || len(result.Enqueued) != 0 || len(result.Failed) != 1 || !strings.Contains(result.Failed[0].Error, "not authorized") {
		t.Errorf("denied: exit code %d, %+v", code, result)
	}

	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"sweep", "--older-than", "-1h"}, "invalid duration"},
		{[]string{"sweep", "--older-than", "day"}, "invalid argument"},
		{[]string{"sweep", "now"}, "unknown command"},
	} {
		if code, stdout, stderr := d.command(test.args...); code != 2 || stdout != "" || !strings.Contains(stderr, test.want) {
			t.Errorf("%v: exit code %d, %s%s", test.args, code, stdout, stderr)
		}
	}
	bare := &deployment{t: t}
	if code, _, stderr := bare.command("sweep"); code != 2 || !strings.Contains(stderr, "chargebee.api_key") {
		t.Errorf("without settings: exit code %d, %s", code, stderr)
	}
}

// There are more invoices than one page of a list holds, and half of them are in the ledger.
func TestSweep_ManyPages(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	const invoices = 230
	d.chargebee.AddSubscription(chargebee.Subscription{ID: "sub", CustomerID: "ada", CurrencyCode: "EUR", Plan: chargebee.Plan{ItemPriceID: "team", UnitAmount: 1}})
	for i := range invoices {
		invoice, _, err := d.chargebee.Renew(chargebee.Renewal{SubscriptionIDs: []string{"sub"}})
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			d.put("_ledger", map[string]any{"invoice_id": invoice.ID, "state": "done", "outcome": "empty", "version": 1})
		}
	}
	code, result := d.sweep("--older-than", "0s", "--yes")
	if code != 0 || result.Pending != invoices || len(result.Enqueued) != invoices/2 || result.Skipped["empty"] != invoices/2 {
		t.Errorf("exit code %d, %d pending, %d enqueued, %v", code, result.Pending, len(result.Enqueued), result.Skipped)
	}
	if got := len(queues.Messages(d.name)); got != invoices/2 {
		t.Errorf("%d messages", got)
	}
	if got := len(d.chargebee.Calls()); got != 6 { // three pages of pending invoices, and three of changed ones
		t.Errorf("%d calls", got)
	}
}
