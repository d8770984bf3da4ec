package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/billable-events/billable/scripts/testbed"
)

const (
	// urlVariable is the variable of the file env that has the URL of the command invoice.
	urlVariable = "SANDBOX_URL"

	settleTimeout = 30 * time.Second
)

var validName = regexp.MustCompile(`^[a-z0-9_]{1,40}$`)

// invoiceRequest is the request of the command invoice.
type invoiceRequest struct {
	testbed.Invoice
	Undelivered bool // the webhook is not delivered
}

// prepared has the invoices that --keep leaves: three wait for their webhook, and the dead letters of two
// can be corrected. A message that is not a webhook becomes a third dead letter.
var prepared = []invoiceRequest{
	{testbed.Invoice{Name: "pending_1", Events: 40}, true},
	{testbed.Invoice{Name: "pending_2", Events: 40}, true},
	{testbed.Invoice{Name: "pending_3", Events: 40}, true},
	{testbed.Invoice{Name: "no_code", Events: 40, Invalid: "charge_code"}, false},
	{testbed.Invoice{Name: "dollars", Events: 40, Invalid: "currency_code"}, false},
}

const deadLetters = 3 // of prepared

// addPrepared creates the prepared invoices, and waits until the dead letters exist.
func (s *system) addPrepared(ctx context.Context) error {
	for _, invoice := range prepared {
		if _, err := s.addInvoice(ctx, invoice); err != nil {
			return err
		}
	}
	if err := s.Enqueue(ctx, `{"id":"ev_unreadable"}`); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, settleTimeout, fmt.Errorf("there were no %d dead letters within %s", deadLetters, settleTimeout))
	defer cancel()
	return testbed.Poll(ctx, pollInterval, func() (bool, error) {
		_, dead, err := s.Queued(ctx)
		return err == nil && dead >= deadLetters, nil
	})
}

// addInvoice creates a pending invoice with billable events, writes the body of its webhook to a file,
// and delivers the webhook. It returns a description.
func (s *system) addInvoice(ctx context.Context, invoice invoiceRequest) (string, error) {
	if !validName.MatchString(invoice.Name) || invoice.Events < 0 {
		return "", errors.New("a name has at most 40 of a-z, 0-9 and _, and events are at least 0")
	}
	if err := s.AddInvoice(ctx, invoice.Invoice); err != nil {
		return "", err
	}
	body := s.Chargebee.Payload("ev_" + invoice.Name)
	file := filepath.Join(s.options.directory, "webhooks", invoice.Name+".json")
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return "", err
	}
	if err := os.WriteFile(file, body, 0o600); err != nil {
		return "", err
	}
	delivery := "not delivered"
	if !invoice.Undelivered {
		answer, err := s.deliver(ctx, body)
		if err != nil {
			return "", err
		}
		delivery = "answered " + answer
	}
	return fmt.Sprintf("invoice  draft_inv_%[1]s of sub_%[1]s, %[2]d billable events\nbody     %[3]s\nwebhook  ev_%[1]s, %[4]s\n",
		invoice.Name, invoice.Events, file, delivery), nil
}

// deliver sends the body of a webhook once, and returns the answer.
func (s *system) deliver(ctx context.Context, body []byte) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.webhookURL(), bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	request.SetBasicAuth(username, password)
	response, err := s.RoundTrip(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	return fmt.Sprintf("%d %s", response.StatusCode, bytes.TrimSpace(answer)), err
}

// ServeHTTP answers the command invoice.
func (s *system) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var invoice invoiceRequest
	if err := json.NewDecoder(r.Body).Decode(&invoice); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	invoice.Name = cmp.Or(invoice.Name, fmt.Sprintf("demo_%d", s.demos.Add(1)))
	description, err := s.addInvoice(r.Context(), invoice)
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	_, _ = io.WriteString(w, description)
}

// writeEnv writes the settings of the commands, addresses and credentials to a file for the shell. The
// caller removes it.
func (s *system) writeEnv() (file string, err error) {
	binaries, err := filepath.Abs(s.options.binaries)
	if err != nil {
		return "", err
	}
	variables := append(s.consumerEnviron(),
		"BILLABLE_ADMIN_ADDR=127.0.0.1:0", "WEBHOOK_URL="+s.webhookURL(), "WEBHOOK_USER="+username+":"+password)
	if s.control != nil {
		variables = append(variables, urlVariable+"=http://"+s.control.Addr().String())
	}
	var b strings.Builder
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		fmt.Fprintf(&b, "export %s='%s'\n", name, value)
	}
	fmt.Fprintf(&b, "export PATH='%s':\"$PATH\"\n", binaries)
	b.WriteString(`# For example: dynamodb Scan '{"TableName": "billable_events", "Limit": 1}'
dynamodb() {
  curl -sS -H "X-Amz-Target: DynamoDB_20120810.$1" -H 'Content-Type: application/x-amz-json-1.0' -d "$2" "$AWS_ENDPOINT_URL_DYNAMODB" && echo
}
`)
	file = filepath.Join(s.options.directory, "env")
	return file, os.WriteFile(file, []byte(b.String()), 0o600)
}

// keep leaves everything running until ctx ends, and prints what there is to do.
func (s *system) keep(ctx context.Context, out io.Writer) error {
	if err := s.addPrepared(ctx); err != nil {
		return err
	}
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-11s %s\n", name, fmt.Sprintf(format, args...))
	}
	b.WriteString("\nEverything is left running until you press Ctrl-C.\n\n")
	row("webhook", "%s  (user %s, password %s)", s.webhookURL(), username, password)
	for _, p := range s.processes {
		row(p.name, "http://%s/metrics and /readyz, log %s", p.command.Admin, p.log)
	}
	row("SQS", "%s", s.SQSURL)
	row("", "%s", s.QueueURL)
	row("", "%s", s.DeadLetterURL)
	row("DynamoDB", "%s", s.DynamoDBURL)
	row("Chargebee", "%s  (API key %s)", s.ChargebeeURL, testbed.APIKey)
	fmt.Fprintf(&b, `
There are %d dead letters, and three pending invoices whose webhooks were not delivered. The page
docs/operations.md shows what to do with them. In another terminal:

  source %[2]s/env
  consumer dlq list                          # the dead letters
  consumer invoice plan draft_inv_pending_1  # what would be charged
  curl -u "$WEBHOOK_USER" -H 'Content-Type: application/json' -d @%[2]s/webhooks/pending_1.json "$WEBHOOK_URL"
  consumer invoice show draft_inv_pending_1  # what was charged
  curl -u "$BILLABLE_CHARGEBEE_API_KEY:" "$BILLABLE_CHARGEBEE_BASE_URL/api/v2/invoices?status\[is\]=pending"
  dynamodb Scan '{"TableName": "billable_events", "Limit": 1}'
  sandbox invoice                            # one more invoice; sandbox invoice --help
`, deadLetters, s.options.directory)
	if _, err := io.WriteString(out, b.String()); err != nil {
		return err
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(s.control); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	s.printf("stopping all processes")
	return nil
}

func (s *system) webhookURL() string { return s.receivers[0] + "/webhooks/chargebee" }
