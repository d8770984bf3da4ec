package aws_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
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
	"github.com/billable-events/billable/pkg/receiver"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// TestRoles runs the receiver, the consumer and all of its commands, each with the policy of
// its role, on queues and tables as the template makes them. What they call is all that
// their policies allow.
func TestRoles(t *testing.T) {
	gate := newGate(map[string]policy{
		"receiver": policies(t, "ReceiverPolicy"),
		"consumer": policies(t, "ConsumerPolicy"),
		"operator": policies(t, "ConsumerPolicy", "OperatorPolicy"),
		"checker":  policies(t, "ConsumerPolicy"),
	})
	for role, policies := range map[string]string{"ReceiverRole": "[ReceiverPolicy]", "ConsumerRole": "[ConsumerPolicy]", "OperatorRole": "[ConsumerPolicy OperatorPolicy]"} {
		if got := fmt.Sprint(resource(t, role).Properties["ManagedPolicyArns"]); got != policies {
			t.Errorf("%s has the policies %s, want %s", role, got, policies)
		}
	}
	w := build(t, gate)
	defer func() { // what is missing tells also why something failed
		compare(t, "the receiver", gate.roles["receiver"], gate.of("receiver"))
		compare(t, "the consumer", gate.roles["consumer"], gate.of("consumer"))
		compare(t, "the operator", gate.roles["operator"], gate.of("consumer", "operator"))
	}()

	// A pause before any consumer ran writes the first state of the rate limiter.
	w.command("tables", "create")
	w.command("pause", "--reason", "a test", "--yes")
	w.command("resume", "--yes")
	w.command("version")

	good := w.invoice("sub_good", "EUR")
	gone := w.invoice("sub_gone", "EUR")
	if err := w.site.DeleteInvoice(gone.id); err != nil {
		t.Fatal(err)
	}
	foreign, lost := w.invoice("sub_foreign", "USD"), w.invoice("sub_lost", "EUR")
	w.receive(good, gone, foreign)
	w.consume("no event", 4)
	w.command("invoice", "show", good.id, "--events")
	w.command("invoice", "list")
	w.command("invoice", "plan", lost.id)
	w.command("invoice", "release", foreign.id, "--yes")
	w.command("sweep", "--older-than", "0s", "--yes")
	w.command("dlq", "list")
	w.command("dlq", "show", foreign.event)
	w.command("dlq", "replay", "--event", foreign.event, "--yes")
	w.command("dlq", "discard", "--reason", "unreadable_message", "--reason-note", "a test", "--file", filepath.Join(t.TempDir(), "letters"), "--yes")
	w.command("check")
	w.everyCommandHasRun()
	everyOperationIsSeen(t, gate.operations)

	// As the consumer's role, check misses only what the commands need.
	w.as("checker")
	var checked struct {
		Findings []struct{ Name, Level, Finding string }
	}
	if err := json.Unmarshal([]byte(w.command("check", "--output", "json")), &checked); err != nil {
		t.Fatal(err)
	}
	for _, finding := range checked.Findings {
		if finding.Level == "error" || finding.Level == "warning" && finding.Name != "permission_missing" {
			t.Errorf("check as the consumer: %+v", finding)
		}
	}
}

// world is the deployment that the template describes, on stand-ins.
type world struct {
	*testing.T
	site     *chargebee.Service
	queueURL string
	dynamodb *awsdynamodb.Client
	environ  []string
	ran      []string // commands
}

func build(t *testing.T, gate *gate) *world {
	t.Helper()
	serve := func(handler http.Handler) string {
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		return server.URL
	}
	w := &world{T: t, site: chargebee.New(chargebee.Config{APIKey: "site_key", KeepDate: true})}
	for name, value := range map[string]string{
		"AWS_REGION": region, "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_ENDPOINT_URL_SQS":      serve(gate.before(sqs.New(sqs.Config{Region: region}))),
		"AWS_ENDPOINT_URL_DYNAMODB": serve(gate.before(dynamodb.New(dynamodb.Config{Region: region}))),
	} {
		t.Setenv(name, value)
	}
	w.as("builder")
	config, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.dynamodb = awsdynamodb.NewFromConfig(config)
	queues := awssqs.NewFromConfig(config)
	dead := w.makeQueue(queues, "DeadLetters")
	w.queueURL = w.makeQueue(queues, "Queue")
	w.makeTable("EventsTable")
	w.makeTable("LedgerTable")
	w.environ = []string{
		"BILLABLE_HTTP_ADDR=127.0.0.1:0", "BILLABLE_ADMIN_ADDR=127.0.0.1:0",
		"BILLABLE_QUEUE_URL=" + w.queueURL,
		"BILLABLE_QUEUE_DEAD_LETTER_URL=" + dead,
		"BILLABLE_CHARGEBEE_BASE_URL=" + serve(w.site),
		"BILLABLE_CHARGEBEE_API_KEY=site_key",
		"BILLABLE_CHARGEBEE_REQUESTS_PER_MINUTE=3500",
		"BILLABLE_AUTH_USERNAME=user", "BILLABLE_AUTH_PASSWORD=password",
		"BILLABLE_HTTP_SHUTDOWN_DELAY=1s",
		"BILLABLE_WORKER_VISIBILITY_TIMEOUT=3s", // so that a beat comes while a message waits
	}
	w.as("operator")
	return w
}

// as has what starts from now on call as the role.
func (w *world) as(role string) { w.Setenv("AWS_ACCESS_KEY_ID", role) }

// makeQueue makes a queue with the properties of the template.
func (w *world) makeQueue(client *awssqs.Client, id string) (url string) {
	w.Helper()
	properties := resource(w.T, id).Properties
	name := fmt.Sprint(properties["QueueName"])
	delete(properties, "QueueName")
	attributes := map[string]string{}
	for attribute, value := range properties {
		attributes[attribute] = fmt.Sprint(value)
		if _, ok := value.(map[string]any); ok {
			text, err := json.Marshal(value)
			w.must(err)
			attributes[attribute] = string(text)
		}
	}
	created, err := client.CreateQueue(w.Context(), &awssqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	w.must(err)
	return *created.QueueUrl
}

// makeTable makes a table with the properties of the template, which are called as the
// members of the calls are.
func (w *world) makeTable(id string) {
	w.Helper()
	text, err := json.Marshal(resource(w.T, id).Properties)
	w.must(err)
	var create awsdynamodb.CreateTableInput
	w.must(json.Unmarshal(text, &create))
	_, err = w.dynamodb.CreateTable(w.Context(), &create)
	w.must(err)
	expiry := awsdynamodb.UpdateTimeToLiveInput{}
	w.must(json.Unmarshal(text, &expiry))
	if expiry.TimeToLiveSpecification == nil {
		return
	}
	_, err = w.dynamodb.UpdateTimeToLive(w.Context(), &expiry)
	w.must(err)
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// command runs a command of the consumer that has to succeed, and returns what it shows.
func (w *world) command(args ...string) string {
	w.Helper()
	var stdout, stderr bytes.Buffer
	if code := commands.Main(w.Context(), cli.Process{Args: args, Environ: w.environ, Stdout: &stdout, Stderr: &stderr}); code != 0 {
		w.Errorf("consumer %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout.String(), stderr.String())
	}
	w.ran = append(w.ran, strings.Join(args, " "))
	return stdout.String()
}

// everyCommandHasRun wants that, by what cobra offers for completion.
func (w *world) everyCommandHasRun() {
	w.Helper()
	for _, command := range w.commandsBelow() {
		if !slices.ContainsFunc(w.ran, func(ran string) bool { return ran == command || strings.HasPrefix(ran, command+" ") }) {
			w.Errorf("consumer %s is not run here: nobody knows which permissions it needs", command)
		}
	}
}

func (w *world) commandsBelow(path ...string) []string {
	w.Helper()
	var found []string
	for line := range strings.Lines(w.command(append(append([]string{"__complete"}, path...), "")...)) {
		name, _, described := strings.Cut(line, "\t")
		if described && !slices.Contains([]string{"help", "completion", "run"}, name) {
			found = append(found, w.commandsBelow(append(slices.Clone(path), name)...)...)
		}
	}
	if len(found) == 0 {
		return []string{strings.Join(path, " ")}
	}
	return found
}

// announced is a pending invoice with its webhook.
type announced struct{ id, event, body string }

// invoice makes a pending invoice of a subscription with one event.
func (w *world) invoice(subscription, currency string) announced {
	w.Helper()
	text := func(value string) types.AttributeValue { return &types.AttributeValueMemberS{Value: value} }
	_, err := w.dynamodb.PutItem(w.Context(), &awsdynamodb.PutItemInput{TableName: aws.String(events), Item: map[string]types.AttributeValue{
		"subscription_id": text(subscription), "event_id": text("e1"), "unbilled": text(subscription), "charge_code": text("calls"),
		"occurred_at": &types.AttributeValueMemberN{Value: fmt.Sprint(time.Now().Unix() - 60)},
		"amount":      &types.AttributeValueMemberN{Value: "12.5"}, "currency_code": text(currency),
	}})
	w.must(err)
	w.site.AddSubscription(chargebee.Subscription{
		ID: subscription, CustomerID: "customer", CurrencyCode: "EUR", Plan: chargebee.Plan{ItemPriceID: "team", Description: "Team", UnitAmount: 4900},
	})
	invoice, event, err := w.site.Renew(chargebee.Renewal{SubscriptionIDs: []string{subscription}})
	w.must(err)
	return announced{invoice.ID, event.ID, string(w.site.Payload(event.ID))}
}

// receive has a receiver take webhooks.
func (w *world) receive(invoices ...announced) {
	w.Helper()
	r := w.start("receiver", receiver.Main)
	for _, invoice := range invoices {
		request, err := http.NewRequestWithContext(w.Context(), http.MethodPost, "http://"+r.started.HTTP+"/webhooks/chargebee", strings.NewReader(invoice.body))
		w.must(err)
		request.SetBasicAuth("user", "password")
		request.Header.Set("Content-Type", "application/json")
		r.expect(request)
	}
	r.stop()
}

// consume has a consumer take so many messages, and one more with the given body.
func (w *world) consume(body string, messages int) {
	w.Helper()
	w.as("builder")
	config, err := awsconfig.LoadDefaultConfig(w.Context())
	w.must(err)
	_, err = awssqs.NewFromConfig(config).SendMessage(w.Context(), &awssqs.SendMessageInput{QueueUrl: &w.queueURL, MessageBody: &body})
	w.must(err)
	r := w.start("consumer", commands.Main, "run")
	for range messages {
		r.await("message handled")
	}
	r.stop()
}

// running is one of the two programs, in this process.
type running struct {
	*testing.T
	lines   chan string
	started struct{ HTTP, Admin string }
	stop    func()
}

// Write implements io.Writer, for a log.
func (r *running) Write(lines []byte) (int, error) {
	for line := range strings.Lines(string(lines)) {
		r.lines <- line
	}
	return len(lines), nil
}

// start runs a program as its role until it is stopped. It has to be ready.
func (w *world) start(role string, main func(context.Context, cli.Process) int, args ...string) *running {
	w.Helper()
	w.as(role)
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{T: w.T, lines: make(chan string, 1000)}
	code := make(chan int, 1)
	go func() {
		code <- main(ctx, cli.Process{Args: args, Environ: w.environ, Stdout: io.Discard, Stderr: r})
	}()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if code := <-code; code != 0 {
			w.Errorf("the %s ended with %d", role, code)
		}
	})
	w.Cleanup(r.stop)
	w.must(json.Unmarshal([]byte(r.await(role+" started")), &r.started))
	w.as("operator")
	request, err := http.NewRequestWithContext(w.Context(), http.MethodGet, "http://"+r.started.Admin+"/readyz", nil)
	w.must(err)
	r.expect(request)
	return r
}

// expect wants the answer 200.
func (r *running) expect(request *http.Request) {
	r.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.Fatal(err)
	}
	content, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil || response.StatusCode != http.StatusOK {
		r.Errorf("%s: %s %s, %v", request.URL, response.Status, content, err)
	}
}

// await returns the next line of the log with the message.
func (r *running) await(message string) string {
	r.Helper()
	limit := time.After(30 * time.Second)
	for {
		select {
		case line := <-r.lines:
			if strings.Contains(line, `"message":"`+message+`"`) {
				return line
			}
		case <-limit:
			r.Fatalf("no %q was logged", message)
		}
	}
}
