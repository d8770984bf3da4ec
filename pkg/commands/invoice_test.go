package commands_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/dynamostore"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

func (d *deployment) store() *dynamostore.Store {
	return &dynamostore.Store{Client: d.dynamodb, EventsTable: d.name + "_events", LedgerTable: d.name + "_ledger"}
}

const marker = "aaaaaaaaaaaa"

// reject writes into the ledger that an invoice was rejected so long ago, with one event of a
// subscription charged.
func (d *deployment) reject(id, subscription string, ago time.Duration) {
	d.t.Helper()
	key := billing.EventKey{SubscriptionID: subscription, EventID: "e1"}
	var claimed billing.Event
	for event, err := range d.store().Unbilled(d.t.Context(), subscription, time.Now().Unix()) {
		if err != nil {
			d.t.Fatal(err)
		}
		claimed = event
	}
	updated := time.Now().Add(-ago).Unix()
	err := d.store().Commit(d.t.Context(), billing.Step{
		Record: billing.Record{
			InvoiceID: id, State: billing.Rejected, Resume: billing.Charging, Acquisitions: 1, Version: "w", Epoch: "epoch",
			Pages: 1, Cursor: 1, Reason: billing.ChargebeeRefused, Detail: "no", UpdatedAt: updated, SchemaVersion: 1,
		},
		Manifest: &billing.Manifest{
			InvoiceID: id, Epoch: "epoch", Date: time.Now().Unix(), CurrencyCode: "EUR", CustomerID: "customer_of_" + subscription,
			SubscriptionID: subscription, Subscriptions: []string{subscription}, ClaimedAt: updated - 60,
		},
		Claim: &billing.Page{Events: []billing.Event{claimed}},
		Plan: &billing.Plan{Lines: []billing.Line{{
			SubscriptionID: key.SubscriptionID, ChargeCode: "calls", Amount: 12, Events: 1, From: claimed.OccurredAt, To: claimed.OccurredAt,
			Description: "calls [" + marker + "]", Marker: marker, IdempotencyKey: "key",
		}}},
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

// rejectWithLine makes an invoice that was rejected an hour ago, with its line on the
// draft. It returns the invoice's id, its webhook, and the line's id.
func (d *deployment) rejectWithLine(subscription string) (id, body, line string) {
	d.t.Helper()
	d.event(subscription, "e1", "12", "EUR")
	id, body = d.renew(subscription)
	d.reject(id, subscription, time.Hour)
	line, err := d.chargebee.AddLine(id, chargebee.LineItem{SubscriptionID: subscription, EntityType: chargebee.EntityAdhoc, Amount: 12, Description: "calls [" + marker + "]"})
	if err != nil {
		d.t.Fatal(err)
	}
	return id, body, line
}

// decode reads the result of a command that has to succeed.
func decode[Document any](d *deployment, args ...string) (document Document) {
	d.t.Helper()
	if err := json.Unmarshal([]byte(d.must(append(args, "--output", "json")...)), &document); err != nil {
		d.t.Fatal(err)
	}
	return document
}

type shownLine struct {
	SubscriptionID string `json:"subscription_id"`
	Amount         int64
	Events         int
	Marker         *string
	State          string
	Description    *string
	DateFrom       *time.Time `json:"date_from"`
	DateTo         *time.Time `json:"date_to"`
	ItemPriceID    *string    `json:"item_price_id"`
	IdempotencyKey *string    `json:"idempotency_key"`
	Becomes        string
}

type shownPreview struct {
	InvoiceID     string `json:"invoice_id"`
	Status        *string
	State         *string
	CustomerID    string `json:"customer_id"`
	CurrencyCode  string `json:"currency_code"`
	Date          time.Time
	Subscriptions []string
	Lines         []shownLine
	Total         int64
	Events        int
	Planned       bool
	Prediction    string
	Reason        *string
	Detail        *string
}

// The plan equals what a consumer charges afterwards.
func TestInvoicePlan(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	d.event("sub_plan", "e1", "12.5", "EUR")
	d.event("sub_plan", "e2", "30", "EUR")
	d.event("sub_plan_bad", "e1", "30", "USD")
	id, body := d.renew("sub_plan")
	bad, _ := d.renew("sub_plan_bad")

	plan := decode[shownPreview](d, "invoice", "plan", id)
	if plan.InvoiceID != id || *plan.Status != "pending" || plan.State != nil || plan.CustomerID != "customer_of_sub_plan" || plan.CurrencyCode != "EUR" ||
		plan.Date.IsZero() || fmt.Sprint(plan.Subscriptions) != "[sub_plan]" || plan.Total != 42 || plan.Events != 2 || plan.Planned ||
		plan.Prediction != "close" || plan.Reason != nil || plan.Detail != nil || len(plan.Lines) != 1 {
		t.Fatalf("got %+v", plan)
	}
	if line := plan.Lines[0]; line.Amount != 42 || line.Events != 2 || line.Marker != nil || line.IdempotencyKey != nil || *line.Description != "calls" ||
		line.DateFrom == nil || line.DateTo == nil || line.ItemPriceID != nil || line.State != "planned" {
		t.Errorf("got %+v", line)
	}
	if table := d.must("invoice", "plan", id); !strings.Contains(table, id+" would be charged as below, and closed.") || !strings.Contains(table, "EUR 0.42") {
		t.Errorf("got %s", table)
	}
	if plan := decode[shownPreview](d, "invoice", "plan", bad); plan.Prediction != "reject" || *plan.Reason != "currency_mismatch" || !strings.Contains(*plan.Detail, "sub_plan_bad/e1") || plan.Lines == nil || len(plan.Lines) != 0 {
		t.Errorf("got %+v", plan)
	}
	if code, _, stderr := d.command("invoice", "plan", "draft_unknown"); code != 1 || !strings.Contains(stderr, "no such invoice at Chargebee: draft_unknown") {
		t.Errorf("exit code %d, %s", code, stderr)
	}

	r := d.start()
	d.send(body)
	r.await(t, "message handled")
	r.stop()
	invoice := decode[struct {
		FinalInvoiceID string `json:"final_invoice_id"`
		Claims         struct {
			Events, Pages int
			CustomerID    string `json:"customer_id"`
		}
		Lines  []shownLine
		Events []struct {
			EventID string `json:"event_id"`
			Amount  string
			State   string
		}
	}](d, "invoice", "show", id, "--events")
	if invoice.Claims.Events != 2 || invoice.Claims.Pages != 1 || invoice.Claims.CustomerID != "customer_of_sub_plan" || len(invoice.Events) != 2 ||
		invoice.Events[0].State != "added" || invoice.Events[0].Amount == "" {
		t.Errorf("got %+v", invoice)
	}
	if table := d.must("invoice", "show", id, "--events"); !strings.Contains(table, id+" is done: closed.") || !strings.Contains(table, "2 events in 1 pages") || !strings.Contains(table, "e2") {
		t.Errorf("got %s", table)
	}
	for _, known := range []string{id, invoice.FinalInvoiceID} {
		if plan := decode[shownPreview](d, "invoice", "plan", known); plan.Prediction != "nothing" || !plan.Planned || *plan.State != "done" || plan.Lines[0].State != "added" || *plan.Lines[0].Description != "calls" {
			t.Errorf("got %+v", plan)
		}
	}
}

func TestInvoiceList(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	if got := d.must("invoice", "list"); !strings.Contains(got, "No matching invoices.") {
		t.Errorf("got %s", got)
	}
	for i, ago := range []time.Duration{time.Minute, 50 * time.Hour} {
		subscription := fmt.Sprint("sub_list_", i)
		d.event(subscription, "e1", "12", "EUR")
		d.reject(fmt.Sprint("draft_", i), subscription, ago)
	}
	list := func(args ...string) (ids []string) {
		t.Helper()
		for _, invoice := range decode[struct {
			Invoices []struct {
				InvoiceID string `json:"invoice_id"`
				State     string
				Held      bool
				Reason    *string
			}
		}](d, append([]string{"invoice", "list"}, args...)...).Invoices {
			if invoice.State != "rejected" || !invoice.Held || *invoice.Reason != "chargebee_refused" {
				t.Errorf("got %+v", invoice)
			}
			ids = append(ids, invoice.InvoiceID)
		}
		return ids
	}
	for args, want := range map[string]string{
		"":                                      "[draft_1 draft_0]",
		"--state rejected":                      "[draft_1 draft_0]",
		"--state rejected,charging --since 48h": "[draft_0]",
		"--state done":                          "[]",
		"--outcome closed":                      "[]",
		"--reason chargebee_refused --held":     "[draft_1 draft_0]",
		"--customer customer_of_sub_list_1":     "[draft_1]",
		"--subscription sub_list_0":             "[draft_0]",
		"--min-amount 12":                       "[draft_1 draft_0]",
		"--min-amount 13":                       "[]",
		"--since " + time.Now().Add(-time.Hour).Format(time.RFC3339): "[draft_0]",
	} {
		if got := fmt.Sprint(list(strings.Fields(args)...)); got != want {
			t.Errorf("%s: got %s, want %s", args, got, want)
		}
	}
	if got := d.must("invoice", "list"); !strings.Contains(got, "draft_1  customer_of_sub_list_1  EUR 0.12  rejected  chargebee_refused\n") {
		t.Errorf("got %s", got)
	}
	code, stdout, stderr := d.command("invoice", "list", "--state", "lost", "--since", "yesterday", "--reason", "bogus", "--outcome", "bad")
	for _, flag := range []string{`--state: invalid value "lost": must be one of claiming, `, `--since: invalid time "yesterday"`, "--reason: ", "--outcome: "} {
		if code != 2 || stdout != "" || !strings.Contains(stderr, flag) {
			t.Errorf("%s: exit code %d, %s%s", flag, code, stdout, stderr)
		}
	}
}

type shownRelease struct {
	InvoiceID string `json:"invoice_id"`
	DryRun    bool   `json:"dry_run"`
	Held      bool
	Released  int
	Billed    int
	State     string
	Detail    *string
	Lines     []shownLine
}

// The claims of a rejected invoice are released: first of a pending draft, then of a deleted one.
func TestInvoiceRelease(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	id, _, line := d.rejectWithLine("sub_release")
	refused := func(want string, code int, args ...string) {
		t.Helper()
		got, stdout, stderr := d.command(append([]string{"invoice", "release"}, args...)...)
		if got != code || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit code %d\n%s%s", args, got, stdout, stderr)
		}
	}
	refused("no such invoice: draft_unknown", 1, "draft_unknown", "--yes")
	refused("accepts 1 arg", 2)
	refused("empty --assert-not-charged: give a value", 2, id, "--assert-not-charged", "")
	refused("--assert-not-charged is longer than 500 bytes", 2, id, "--assert-not-charged", strings.Repeat("x", 501))
	refused("the line with marker "+marker, 1, id)
	refused("the line with marker "+marker, 1, id, "--yes")
	if err := d.chargebee.RemoveLine(id, line); err != nil {
		t.Fatal(err)
	}

	if got := d.must("invoice", "release", id); !strings.Contains(got, "Would be: 1 events unbilled again, 0 billed.\n\nDry run: nothing was changed") {
		t.Errorf("a dry run: %s", got)
	}
	dry := decode[shownRelease](d, "invoice", "release", id)
	if !dry.DryRun || !dry.Held || dry.Released != 1 || dry.Lines[0].Becomes != "released" || dry.Lines[0].State != "added" || *dry.Detail != "no" {
		t.Errorf("a dry run: %+v", dry)
	}
	release := decode[shownRelease](d, "invoice", "release", id, "--yes")
	if release.InvoiceID != id || release.DryRun || release.Released != 1 || release.Billed != 0 || release.State != "rejected" ||
		release.Lines[0].State != "released" || !strings.HasPrefix(*release.Detail, "released at ") {
		t.Errorf("got %+v", release)
	}
	if got := d.must("invoice", "release", id, "--yes"); !strings.Contains(got, "there is nothing to release") {
		t.Errorf("again: %s", got)
	}
	if got := d.must("invoice", "show", id); !strings.Contains(got, id+" is rejected: chargebee_refused. It holds no claims.") {
		t.Errorf("got %s", got)
	}

	d.event("sub_deleted", "e1", "12", "EUR")
	gone, _ := d.renew("sub_deleted")
	d.reject(gone, "sub_deleted", 10*time.Hour)
	if err := d.chargebee.DeleteInvoice(gone); err != nil {
		t.Fatal(err)
	}
	refused("the delay starts only with --yes", 1, gone)
	refused("retry in", 1, gone, "--yes")
	if shown := decode[struct {
		GoneAt *time.Time `json:"gone_at"`
		Owner  *string
	}](d, "invoice", "show", gone); shown.GoneAt == nil || shown.Owner != nil {
		t.Errorf("got %+v", shown)
	}
}
