package aws_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
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

// The receiver, the consumer and all commands run with the policies of their roles, on the queues and
// tables of the template. Their calls need exactly the permissions of their policies.
func TestRoles_AllowExactlyTheCalls(t *testing.T) {
	gate := newGate(map[string]policy{
		"receiver": policies(t, "ReceiverPolicy"),
		"consumer": policies(t, "ConsumerPolicy"),
		"operator": policies(t, "ConsumerPolicy", "OperatorPolicy"),
		"checker":  policies(t, "ConsumerPolicy"),
	})
	for role, policies := range map[string]string{"ReceiverRole": "[ReceiverPolicy]", "ConsumerRole": "[ConsumerPolicy]", "OperatorRole": "[ConsumerPolicy OperatorPolicy]"} {
		if got := fmt.Sprint(resource(t, role).properties["ManagedPolicyArns"]); got != policies {
			t.Errorf("%s has the policies %s, want %s", role, got, policies)
		}
	}
	e := build(t, gate)
	defer func() { // also explains other failures
		compare(t, "the receiver", gate.roles["receiver"], gate.of("receiver"))
		compare(t, "the consumer", gate.roles["consumer"], gate.of("consumer"))
		compare(t, "the operator", gate.roles["operator"], gate.of("consumer", "operator"))
	}()

	// A pause before any consumer ran writes the first state of the rate limiter.
	e.command("tables", "create")
	e.command("pause", "--reason", "a test", "--yes")
	e.command("resume", "--yes")
	e.command("version")

	good := e.invoice("sub_good", "EUR")
	gone := e.invoice("sub_gone", "EUR")
	if err := e.site.DeleteInvoice(gone.id); err != nil {
		t.Fatal(err)
	}
	foreign, lost := e.invoice("sub_foreign", "USD"), e.invoice("sub_lost", "EUR")
	e.receive(good, gone, foreign)
	e.consume("no event", 4)
	e.command("invoice", "show", good.id, "--events")
	e.command("invoice", "list")
	e.command("invoice", "plan", lost.id)
	e.command("invoice", "release", foreign.id, "--yes")
	e.command("sweep", "--older-than", "0s", "--yes")
	e.command("dlq", "list")
	e.command("dlq", "show", foreign.event)
	e.command("dlq", "replay", "--event", foreign.event, "--yes")
	archive := filepath.Join(t.TempDir(), "archive")
	e.command("dlq", "discard", "--reason", "unreadable_message", "--reason-note", "a test", "--file", archive, "--yes")
	e.command("dlq", "restore", archive, "--yes")
	e.command("check")
	e.console()
	e.everyCommandHasRun()
	everyOperationIsSeen(t, gate.operations)

	// As the consumer's role, check misses only what the commands need.
	e.as("checker")
	var checked struct {
		Findings []struct{ Name, Level, Finding string }
	}
	if err := json.Unmarshal([]byte(e.command("check", "--output", "json")), &checked); err != nil {
		t.Fatal(err)
	}
	for _, finding := range checked.Findings {
		if finding.Level == "error" || finding.Level == "warning" && finding.Name != "permission_missing" {
			t.Errorf("check as the consumer: %+v", finding)
		}
	}
}

// env is the deployment of the template, on fakes.
type env struct {
	*testing.T
	site     *chargebee.Service
	queueURL string
	dynamodb *awsdynamodb.Client
	environ  []string
	ran      []string // commands
}

func build(t *testing.T, gate *gate) *env {
	t.Helper()
	serve := func(handler http.Handler) string {
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		return server.URL
	}
	e := &env{T: t, site: chargebee.New(chargebee.Config{APIKey: "site_key", KeepDate: true})}
	for name, value := range map[string]string{
		"AWS_REGION": region, "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_ENDPOINT_URL_STS":      serve(http.NotFoundHandler()), // the caller is unknown
		"AWS_ENDPOINT_URL_SQS":      serve(gate.before(sqs.New(sqs.Config{}))),
		"AWS_ENDPOINT_URL_DYNAMODB": serve(gate.before(dynamodb.New(dynamodb.Config{}))),
	} {
		t.Setenv(name, value)
	}
	e.as("builder")
	config, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e.dynamodb = awsdynamodb.NewFromConfig(config)
	queues := awssqs.NewFromConfig(config)
	dead := e.makeQueue(queues, "DeadLetters")
	e.queueURL = e.makeQueue(queues, "Queue")
	e.makeTable("EventsTable")
	e.makeTable("LedgerTable")
	e.environ = []string{
		"BILLABLE_HTTP_ADDR=127.0.0.1:0", "BILLABLE_ADMIN_ADDR=127.0.0.1:0",
		"BILLABLE_QUEUE_URL=" + e.queueURL,
		"BILLABLE_QUEUE_DEAD_LETTER_URL=" + dead,
		"BILLABLE_CHARGEBEE_BASE_URL=" + serve(e.site),
		"BILLABLE_CHARGEBEE_API_KEY=site_key",
		"BILLABLE_INVOICE_MAX_AMOUNT=1000000",
		"BILLABLE_CHARGEBEE_REQUESTS_PER_MINUTE=3500",
		"BILLABLE_AUTH_USERNAME=user", "BILLABLE_AUTH_PASSWORD=password",
		"BILLABLE_HTTP_SHUTDOWN_DELAY=1s",
		"BILLABLE_WORKER_VISIBILITY_TIMEOUT=3s", // so that there is a heartbeat while a message waits
	}
	e.as("operator")
	return e
}

// as sets the role of later calls.
func (e *env) as(role string) { e.Setenv("AWS_ACCESS_KEY_ID", role) }

// makeQueue creates a queue with the properties of the template.
func (e *env) makeQueue(client *awssqs.Client, id string) (url string) {
	e.Helper()
	properties := resource(e.T, id).properties
	name := fmt.Sprint(properties["QueueName"])
	delete(properties, "QueueName")
	attributes := map[string]string{}
	for attribute, value := range properties {
		attributes[attribute] = fmt.Sprint(value)
		if _, ok := value.(map[string]any); ok {
			text, err := json.Marshal(value)
			e.must(err)
			attributes[attribute] = string(text)
		}
	}
	created, err := client.CreateQueue(e.Context(), &awssqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	e.must(err)
	return *created.QueueUrl
}

// makeTable creates a table with the properties of the template, which have the names of the API.
func (e *env) makeTable(id string) {
	e.Helper()
	text, err := json.Marshal(resource(e.T, id).properties)
	e.must(err)
	var create awsdynamodb.CreateTableInput
	e.must(json.Unmarshal(text, &create))
	_, err = e.dynamodb.CreateTable(e.Context(), &create)
	e.must(err)
	expiry := awsdynamodb.UpdateTimeToLiveInput{}
	e.must(json.Unmarshal(text, &expiry))
	if expiry.TimeToLiveSpecification == nil {
		return
	}
	_, err = e.dynamodb.UpdateTimeToLive(e.Context(), &expiry)
	e.must(err)
}

func (e *env) must(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

// command runs a command of the consumer that must succeed, and returns its output.
func (e *env) command(args ...string) string {
	e.Helper()
	var stdout, stderr bytes.Buffer
	if code := commands.Main(e.Context(), cli.Process{Args: args, Environ: e.environ, Stdout: &stdout, Stderr: &stderr}); code != 0 {
		e.Errorf("consumer %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout.String(), stderr.String())
	}
	e.ran = append(e.ran, strings.Join(args, " "))
	return stdout.String()
}

// console shows the overview of consumer console, which reads everything.
func (e *env) console() {
	e.Helper()
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	reader, stdout := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- commands.Main(ctx, cli.Process{Args: []string{"console", "--addr", "127.0.0.1:0"}, Environ: e.environ, Stdout: stdout, Stderr: io.Discard})
	}()
	line, err := bufio.NewReader(reader).ReadString('\n')
	e.must(err)
	jar, err := cookiejar.New(nil)
	e.must(err)
	client := http.Client{Jar: jar}
	response, err := client.Get(regexp.MustCompile(`http://\S+`).FindString(line))
	e.must(err)
	content, err := io.ReadAll(response.Body)
	e.must(errors.Join(err, response.Body.Close()))
	if response.StatusCode != http.StatusOK || !strings.Contains(string(content), "<h1>Overview</h1>") || strings.Contains(string(content), "not authorized") {
		e.Errorf("the overview: %s %s", response.Status, content)
	}
	cancel()
	if code := <-code; code != 0 {
		e.Errorf("the console ended with %d", code)
	}
	e.ran = append(e.ran, "console")
}

// everyCommandHasRun checks that, by the completion of cobra.
func (e *env) everyCommandHasRun() {
	e.Helper()
	for _, command := range e.commandsBelow() {
		if !slices.ContainsFunc(e.ran, func(ran string) bool { return ran == command || strings.HasPrefix(ran, command+" ") }) {
			e.Errorf("consumer %s is not tested here: its permissions are unknown", command)
		}
	}
}

func (e *env) commandsBelow(path ...string) []string {
	e.Helper()
	var found []string
	for line := range strings.Lines(e.command(append(append([]string{"__complete"}, path...), "")...)) {
		name, _, described := strings.Cut(line, "\t")
		if described && !slices.Contains([]string{"help", "completion", "run"}, name) {
			found = append(found, e.commandsBelow(append(slices.Clone(path), name)...)...)
		}
	}
	if len(found) == 0 {
		return []string{strings.Join(path, " ")}
	}
	return found
}

// announced is a pending invoice with its webhook.
type announced struct{ id, event, body string }

// invoice creates a pending invoice of a subscription with one event.
func (e *env) invoice(subscription, currency string) announced {
	e.Helper()
	text := func(value string) types.AttributeValue { return &types.AttributeValueMemberS{Value: value} }
	_, err := e.dynamodb.PutItem(e.Context(), &awsdynamodb.PutItemInput{TableName: aws.String(events), Item: map[string]types.AttributeValue{
		"subscription_id": text(subscription), "event_id": text("e1"), "unbilled": text(subscription), "charge_code": text("calls"),
		"occurred_at": &types.AttributeValueMemberN{Value: fmt.Sprint(time.Now().Unix() - 60)},
		"amount":      &types.AttributeValueMemberN{Value: "12.5"}, "currency_code": text(currency),
	}})
	e.must(err)
	e.site.AddSubscription(chargebee.Subscription{
		ID: subscription, CustomerID: "customer", CurrencyCode: "EUR", Plan: chargebee.Plan{ItemPriceID: "team", Description: "Team", UnitAmount: 4900},
	})
	invoice, event, err := e.site.Renew(chargebee.Renewal{SubscriptionIDs: []string{subscription}})
	e.must(err)
	return announced{invoice.ID, event.ID, string(e.site.Payload(event.ID))}
}

// receive sends webhooks to a receiver.
func (e *env) receive(invoices ...announced) {
	e.Helper()
	r := e.start("receiver", receiver.Main)
	for _, invoice := range invoices {
		request, err := http.NewRequestWithContext(e.Context(), http.MethodPost, "http://"+r.started.HTTP+"/webhooks/chargebee", strings.NewReader(invoice.body))
		e.must(err)
		request.SetBasicAuth("user", "password")
		request.Header.Set("Content-Type", "application/json")
		r.expect(request)
	}
	r.stop()
}

// consume runs a consumer until it has handled this number of messages, and one more with the given body.
func (e *env) consume(body string, messages int) {
	e.Helper()
	e.as("builder")
	config, err := awsconfig.LoadDefaultConfig(e.Context())
	e.must(err)
	_, err = awssqs.NewFromConfig(config).SendMessage(e.Context(), &awssqs.SendMessageInput{QueueUrl: &e.queueURL, MessageBody: &body})
	e.must(err)
	r := e.start("consumer", commands.Main, "run")
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

// start runs a program with its role until it is stopped. It must be ready.
func (e *env) start(role string, main func(context.Context, cli.Process) int, args ...string) *running {
	e.Helper()
	e.as(role)
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{T: e.T, lines: make(chan string, 1000)}
	code := make(chan int, 1)
	go func() {
		code <- main(ctx, cli.Process{Args: args, Environ: e.environ, Stdout: io.Discard, Stderr: r})
	}()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if code := <-code; code != 0 {
			e.Errorf("the %s ended with %d", role, code)
		}
	})
	e.Cleanup(r.stop)
	e.must(json.Unmarshal([]byte(r.await(role+" started")), &r.started))
	e.as("operator")
	request, err := http.NewRequestWithContext(e.Context(), http.MethodGet, "http://"+r.started.Admin+"/readyz", nil)
	e.must(err)
	r.expect(request)
	return r
}

// expect checks for the status 200.
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
