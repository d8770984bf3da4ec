package commands_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/commands"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// The AWS SDK reads its endpoints from the process's environment, so all tests share
// the fakes, and use queues and tables of their own.
var (
	queues *sqs.Service
	tables *dynamodb.Service
)

// denied has the actions on queues and tables that are denied.
var denied denials

type denials struct{ sync.Map }

func (d *denials) deny(action, name string) { d.Store(action+" "+name, true) }

func (d *denials) has(action, name string) bool {
	_, found := d.Load(action + " " + name)
	return found
}

// asConsumer is the variable with which this test's binary is the consumer itself, as a
// process that can be killed.
const asConsumer = "TEST_AS_CONSUMER"

func TestMain(m *testing.M) {
	if os.Getenv(asConsumer) != "" {
		os.Exit(commands.Main(context.Background(), cli.Process{Args: os.Args[1:], Environ: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr}))
	}
	queues, tables = sqs.New(sqs.Config{Denied: denied.has}), dynamodb.New(dynamodb.Config{Denied: denied.has})
	sqsServer, dynamodbServer := httptest.NewServer(foreign(queues)), httptest.NewServer(foreign(tables))
	stsServer := httptest.NewServer(http.HandlerFunc(answerCallerIdentity))
	for name, value := range map[string]string{
		"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_ENDPOINT_URL_SQS": sqsServer.URL, "AWS_ENDPOINT_URL_DYNAMODB": dynamodbServer.URL, "AWS_ENDPOINT_URL_STS": stsServer.URL,
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	_ = flag.Set("test.parallel", "8") // they wait more than they work
	code := m.Run()
	sqsServer.Close()
	dynamodbServer.Close()
	stsServer.Close()
	os.Exit(code)
}

// deployment is one set of queues, tables and a site.
type deployment struct {
	t         *testing.T
	name      string
	chargebee *chargebee.Service
	environ   []string
	flags     []string // of run
	queueURL  string
	sqs       *awssqs.Client
	dynamodb  *awsdynamodb.Client
}

func deploy(t *testing.T) *deployment {
	t.Helper()
	d := &deployment{
		t:         t,
		name:      strings.ReplaceAll(t.Name(), "/", "_"),
		chargebee: chargebee.New(chargebee.Config{APIKey: "site_key", KeepDate: true}),
	}
	site := httptest.NewServer(d.chargebee)
	t.Cleanup(site.Close)
	config, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d.sqs, d.dynamodb = awssqs.NewFromConfig(config), awsdynamodb.NewFromConfig(config)
	deadLetterURL := d.createQueue(d.name+"_dead", map[string]string{"MessageRetentionPeriod": "1209600"})
	d.queueURL = d.createQueue(d.name, map[string]string{"MessageRetentionPeriod": "604800", "RedrivePolicy": redrive(d.name+"_dead", 1000)})
	d.environ = []string{
		"BILLABLE_ADMIN_ADDR=127.0.0.1:0",
		"BILLABLE_QUEUE_URL=" + d.queueURL,
		"BILLABLE_QUEUE_DEAD_LETTER_URL=" + deadLetterURL,
		"BILLABLE_EVENTS_TABLE=" + d.name + "_events",
		"BILLABLE_LEDGER_TABLE=" + d.name + "_ledger",
		"BILLABLE_CHARGEBEE_BASE_URL=" + site.URL,
		"BILLABLE_CHARGEBEE_API_KEY=site_key",
		"BILLABLE_CHARGEBEE_REQUESTS_PER_MINUTE=3500",
		"BILLABLE_INVOICE_MAX_AMOUNT=1000000",
	}
	return d
}

func (d *deployment) createQueue(name string, attributes map[string]string) (url string) {
	d.t.Helper()
	created, err := d.sqs.CreateQueue(d.t.Context(), &awssqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		d.t.Fatal(err)
	}
	return *created.QueueUrl
}

// redrive is the policy that moves messages to the queue with this name.
func redrive(name string, receives int) string {
	return fmt.Sprintf(`{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:000000000000:%s","maxReceiveCount":%d}`, name, receives)
}

// command runs a command and returns its exit code and outputs.
func (d *deployment) command(args ...string) (code int, stdout, stderr string) {
	d.t.Helper()
	var out, errs bytes.Buffer
	code = commands.Main(d.t.Context(), cli.Process{Args: args, Environ: d.environ, Stdout: &out, Stderr: &errs})
	return code, out.String(), errs.String()
}

// must runs a command that has to succeed.
func (d *deployment) must(args ...string) string {
	d.t.Helper()
	code, stdout, stderr := d.command(args...)
	if code != 0 {
		d.t.Fatalf("consumer %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

func (d *deployment) event(subscription, id, amount, currency string) {
	d.t.Helper()
	text := func(value string) types.AttributeValue { return &types.AttributeValueMemberS{Value: value} }
	_, err := d.dynamodb.PutItem(d.t.Context(), &awsdynamodb.PutItemInput{TableName: aws.String(d.name + "_events"), Item: map[string]types.AttributeValue{
		"subscription_id": text(subscription), "event_id": text(id), "unbilled": text(subscription), "charge_code": text("calls"),
		"occurred_at": &types.AttributeValueMemberN{Value: fmt.Sprint(time.Now().Unix() - 60)},
		"amount":      &types.AttributeValueMemberN{Value: amount}, "currency_code": text(currency),
	}})
	if err != nil {
		d.t.Fatal(err)
	}
}

// renew makes a pending invoice and returns its id and its webhook.
func (d *deployment) renew(subscription string) (id, body string) {
	d.t.Helper()
	d.chargebee.AddSubscription(chargebee.Subscription{
		ID: subscription, CustomerID: "customer_of_" + subscription, CurrencyCode: "EUR",
		Plan: chargebee.Plan{ItemPriceID: "team", Description: "Team", UnitAmount: 4900},
	})
	invoice, event, err := d.chargebee.Renew(chargebee.Renewal{SubscriptionIDs: []string{subscription}})
	if err != nil {
		d.t.Fatal(err)
	}
	return invoice.ID, string(d.chargebee.Payload(event.ID))
}

func (d *deployment) send(body string) {
	d.t.Helper()
	if _, err := d.sqs.SendMessage(d.t.Context(), &awssqs.SendMessageInput{QueueUrl: &d.queueURL, MessageBody: &body}); err != nil {
		d.t.Fatal(err)
	}
}

// running is a consumer that runs until it is stopped.
type running struct {
	admin string
	log   *log
	stop  func() int
}

// log takes what the consumer writes and hands out its lines.
type log struct {
	mu    sync.Mutex
	text  bytes.Buffer
	lines chan string
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(string(p)) {
		l.lines <- line
	}
	return l.text.Write(p)
}

func (d *deployment) start() *running {
	d.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{log: &log{lines: make(chan string, 1000)}}
	code := make(chan int, 1)
	go func() {
		code <- commands.Main(ctx, cli.Process{Args: append([]string{"run"}, d.flags...), Environ: d.environ, Stdout: io.Discard, Stderr: r.log})
	}()
	r.stop = sync.OnceValue(func() int {
		cancel()
		return <-code
	})
	d.t.Cleanup(func() { r.stop() })
	r.admin = r.await(d.t, "consumer started")["admin"].(string)
	return r
}

// await returns the next line of the log with the given message.
func (r *running) await(t *testing.T, message string) map[string]any {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		select {
		case line := <-r.log.lines:
			var entry map[string]any
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				t.Fatalf("%q is no JSON: %v", line, err)
			}
			if entry["message"] == message {
				return entry
			}
		case <-limit:
			t.Fatalf("no %q was logged:\n%s", message, r.log.text.String())
		}
	}
}

func (r *running) get(t *testing.T, path string) (int, string) {
	t.Helper()
	response, err := http.Get("http://" + r.admin + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// The consumer runs with valid and invalid messages, and the commands show the results.
func TestRun_FromMessageToClosedInvoice(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	d.event("sub_good", "e1", "12.5", "EUR")
	d.event("sub_good", "e2", "30", "EUR")
	d.event("sub_bridge", "e1", "7", "EUR")
	d.event("sub_foreign", "e1", "7", "USD")
	good, goodBody := d.renew("sub_good")
	bridge, bridgeBody := d.renew("sub_bridge")
	foreign, foreignBody := d.renew("sub_foreign")

	r := d.start()
	for _, path := range []string{"/livez", "/readyz"} {
		if status, body := r.get(t, path); status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	d.send(goodBody)
	d.send(`{"version":"0","detail-type":"pending_invoice_created","detail":` + bridgeBody + `}`)
	d.send(foreignBody)
	d.send("no JSON at all")
	d.send(`{"event_type":"customer_created"}`)
	for range 5 {
		r.await(t, "message handled")
	}
	d.send(goodBody) // a duplicate
	if entry := r.await(t, "message handled"); entry["outcome"] != "repeated" {
		t.Errorf("the duplicate: %v", entry)
	}
	_, metrics := r.get(t, "/metrics")
	if code := r.stop(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, r.log.text.String())
	}

	for _, name := range []string{
		`billable_messages_total{outcome="done"}`, `billable_messages_total{outcome="reject"}`,
		`billable_settlements_total{outcome="closed",reason=""} 2`,
		`billable_settlements_total{outcome="closed_without_charges",reason=""} 0`,
		`billable_billed_lines_total{currency="EUR"} 2`,
		`billable_settlements_total{outcome="rejected",reason="currency_mismatch"} 1`,
		`billable_settlements_total{outcome="rejected",reason="unreadable_message"} 1`,
		`billable_chargebee_requests_total{kind="ok",operation="add_charge"} 2`,
		"billable_messages_ignored_total 1", "billable_ratelimit_limit ", "billable_ratelimit_permits_total 8", "billable_ratelimit_paused 0",
		"billable_sending_oldest_seconds 0", "billable_settings_differences 0",
	} {
		if !strings.Contains(metrics, name) {
			t.Errorf("the metrics lack %s", name)
		}
	}
	if strings.Contains(r.log.text.String(), "site_key") {
		t.Error("the log shows the API key")
	}
	if left := queues.Messages(d.name); len(left) != 0 {
		t.Errorf("%d messages are left", len(left))
	}

	var shown struct {
		State          string  `json:"state"`
		Outcome        *string `json:"outcome"`
		Reason         *string `json:"reason"`
		Owner          *string `json:"owner"`
		FinalInvoiceID *string `json:"final_invoice_id"`
		UpdatedAt      string  `json:"updated_at"`
		Lines          []struct {
			SubscriptionID string  `json:"subscription_id"`
			ChargeCode     string  `json:"charge_code"`
			Amount         int64   `json:"amount"`
			Quantity       *string `json:"quantity"`
			Events         int     `json:"events"`
			Marker         string  `json:"marker"`
			State          string  `json:"state"`
		} `json:"lines"`
	}
	show := func(id string) {
		t.Helper()
		shown.Lines = nil
		if err := json.Unmarshal([]byte(d.must("invoice", "show", id, "--output", "json")), &shown); err != nil {
			t.Fatal(err)
		}
	}
	show(good)
	if shown.State != "done" || shown.Outcome == nil || *shown.Outcome != "closed" || shown.Reason != nil || shown.Owner != nil || shown.FinalInvoiceID == nil || len(shown.Lines) != 1 {
		t.Fatalf("got %+v", shown)
	}
	if line := shown.Lines[0]; line.SubscriptionID != "sub_good" || line.ChargeCode != "calls" || line.Amount != 42 || line.Events != 2 || line.Quantity != nil || line.State != "added" || len(line.Marker) != 12 {
		t.Errorf("got %+v", line)
	}
	if _, err := time.Parse(time.RFC3339, shown.UpdatedAt); err != nil {
		t.Error(err)
	}
	final := *shown.FinalInvoiceID
	show(final)
	if shown.State != "done" {
		t.Errorf("by the final id: %+v", shown)
	}
	show(bridge)
	if shown.State != "done" {
		t.Errorf("by EventBridge: %+v", shown)
	}
	show(foreign)
	if shown.State != "rejected" || shown.Reason == nil || *shown.Reason != "currency_mismatch" {
		t.Errorf("foreign: %+v", shown)
	}
	if table := d.must("invoice", "show", good); !strings.Contains(table, final) || !strings.Contains(table, "calls") {
		t.Errorf("got %s", table)
	}

	var listing struct {
		Complete bool
		Messages []struct {
			MessageID       string   `json:"message_id"`
			EventID         *string  `json:"event_id"`
			InvoiceID       *string  `json:"invoice_id"`
			CustomerID      *string  `json:"customer_id"`
			SubscriptionIDs []string `json:"subscription_ids"`
			Reason          *string
			Detail          *string
			FailedAt        *string `json:"failed_at"`
			LedgerState     string  `json:"ledger_state"`
		}
		Groups []struct {
			Reason *string
			Count  int
			Oldest *string
		}
	}
	for range 2 { // looking changes nothing
		if err := json.Unmarshal([]byte(d.must("dlq", "list", "--output", "json")), &listing); err != nil {
			t.Fatal(err)
		}
		if !listing.Complete || len(listing.Messages) != 2 || len(listing.Groups) != 2 {
			t.Fatalf("got %+v", listing)
		}
	}
	for _, message := range listing.Messages {
		if message.Reason == nil || message.FailedAt == nil || message.MessageID == "" {
			t.Fatalf("got %+v", message)
		}
		switch *message.Reason {
		case "currency_mismatch":
			if *message.InvoiceID != foreign || *message.CustomerID != "customer_of_sub_foreign" || fmt.Sprint(message.SubscriptionIDs) != "[sub_foreign]" || message.LedgerState != "rejected" || !strings.Contains(*message.Detail, "sub_foreign/e1") {
				t.Errorf("got %+v", message)
			}
		case "unreadable_message":
			if message.InvoiceID != nil || message.LedgerState != "none" {
				t.Errorf("got %+v", message)
			}
		default:
			t.Errorf("got %+v", message)
		}
	}
	if table := d.must("dlq", "list"); !strings.Contains(table, "currency_mismatch") {
		t.Errorf("got %s", table)
	}
}

func TestTablesCreate(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	if got := d.must("tables", "create"); strings.Count(got, "created") != 2 {
		t.Errorf("got %s", got)
	}
	if got := d.must("tables", "create"); strings.Count(got, "as required") != 2 {
		t.Errorf("got %s", got)
	}
	d.environ = append(d.environ, "BILLABLE_EVENTS_TABLE="+d.name+"_ledger", "BILLABLE_LEDGER_TABLE="+d.name+"_other")
	code, stdout, stderr := d.command("tables", "create")
	if code != 1 || !strings.Contains(stdout, "different: the key is invoice_id") || !strings.Contains(stderr, "not changed") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	for _, test := range []struct {
		args   string
		code   int
		stdout string
		stderr string
	}{
		{"version", 0, "consumer ", ""},
		{"--help", 0, "invoice", ""},
		{"dlq list", 0, "no dead letters", ""},
		{"invoice show draft_unknown", 1, "", "no such invoice: draft_unknown"},
		{"invoice show", 2, "", "accepts 1 arg"},
		{"invoice plan", 2, "", "accepts 1 arg"},
		{"invoice release", 2, "", "accepts 1 arg"},
		{"invoice list now", 2, "", "unknown command"},
		{"invoice", 2, "", "requires a subcommand"},
		{"invoices", 2, "", "unknown command"},
		{"dlq list --output xml", 2, "", "table, json"},
		{"dlq list --bogus", 2, "", "unknown flag"},
		{"dlq list --reason line_limit", 2, "", `did you mean "line_limits"?`},
		{"dlq replay --reason=", 2, "", `must be one of unreadable_message, `},
		{"dlq discard --invoice= --yes", 2, "", "empty --invoice"},
		{"dlq list --older-than -1h", 2, "", "invalid duration"},
		{"dlq list --older-than 7d --reason none", 0, "no dead letters", ""},
		{"invoice list --state=", 2, "", "empty --state"},
		{"run now", 2, "", "unknown command"},
		{"tables create --config /nowhere.yaml", 2, "", "/nowhere.yaml"},
	} {
		code, stdout, stderr := d.command(strings.Fields(test.args)...)
		if code != test.code || !strings.Contains(stdout, test.stdout) || !strings.Contains(stderr, test.stderr) {
			t.Errorf("consumer %s: exit code %d\n%s%s", test.args, code, stdout, stderr)
		}
	}
}

func TestRun_ListsInvalidSettings(t *testing.T) {
	d := &deployment{t: t, environ: []string{"BILLABLE_LEDGER_LEASE=1s", "BILLABLE_INVOICE_CLOZE=false"}}
	code, stdout, stderr := d.command("run")
	if code != 2 || stdout != "" {
		t.Errorf("exit code %d, %s", code, stdout)
	}
	if _, _, allowed := d.command("run", "--allow-unknown-env"); strings.Contains(allowed, "CLOZE: unknown") {
		t.Errorf("--allow-unknown-env: %s", allowed)
	}
	for _, key := range []string{"BILLABLE_INVOICE_CLOZE", "queue.url", "queue.dead_letter_url", "chargebee.site", "chargebee.api_key", "ledger.lease"} {
		if !strings.Contains(stderr, "\n  "+key+": ") {
			t.Errorf("%s is not reported:\n%s", key, stderr)
		}
	}
}

// The queue cannot be reached.
func TestRun_LiveButNotReady(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.environ = append(d.environ, "BILLABLE_QUEUE_URL=http://127.0.0.1:1/000000000000/nowhere")
	r := d.start()
	if status, body := r.get(t, "/livez"); status != http.StatusOK {
		t.Errorf("/livez: %d %s", status, body)
	}
	if status, _ := r.get(t, "/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d", status)
	}
	if code := r.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
