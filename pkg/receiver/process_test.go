package receiver_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/receiver"
	"github.com/billable-events/billable/pkg/sandbox"
)

// down makes SQS fail for all: tests that set it do not run in parallel.
var down atomic.Bool

func faultFor(operation string) sandbox.Fault {
	if down.Load() && operation != "CreateQueue" {
		return sandbox.Fault{Kind: sandbox.Refuse}
	}
	return sandbox.Fault{}
}

// logLines is a log that can be read while it is written.
type logLines struct {
	mu    sync.Mutex
	text  bytes.Buffer
	wrote chan struct{} // has room for one sign
}

func (l *logLines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.wrote <- struct{}{}:
	default:
	}
	return l.text.Write(line)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// started waits for the line with the addresses of the listeners.
func (l *logLines) started(ctx context.Context) (http, admin string, err error) {
	for {
		for line := range strings.Lines(l.String()) {
			var fields struct{ Message, HTTP, Admin string }
			if json.Unmarshal([]byte(line), &fields) == nil && fields.Message == "receiver started" {
				return "http://" + fields.HTTP, "http://" + fields.Admin, nil
			}
		}
		select {
		case <-l.wrote:
		case <-ctx.Done():
			return "", "", fmt.Errorf("it did not start: %s", l)
		}
	}
}

// wait returns when the log contains the text.
func (l *logLines) wait(ctx context.Context, text string) error {
	for !strings.Contains(l.String(), text) {
		select {
		case <-l.wrote:
		case <-ctx.Done():
			return fmt.Errorf("%q is missing: %s", text, l)
		}
	}
	return nil
}

// service is a receiver that runs in this process.
type service struct {
	*testing.T
	queue      string // its name
	url, admin string
	log        *logLines
	client     *http.Client
	stop       func() (code int) // as a signal would; once
}

func queueURL(name string) string { return "http://sandbox.local/000000000000/" + name }

// newQueue makes a queue of its own for the test.
func newQueue(t testing.TB) (name string) {
	t.Helper()
	name = rand.Text()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, os.Getenv("AWS_ENDPOINT_URL_SQS"), strings.NewReader(`{"QueueName":"`+name+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Amz-Target", "AmazonSQS.CreateQueue")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("create queue: %s", response.Status)
	}
	http.DefaultClient.CloseIdleConnections()
	return name
}

// environ returns the environment of a receiver of the queue. If more has credentials, it must have
// all of them.
func environ(queue string, more ...string) []string {
	environ := []string{
		"BILLABLE_QUEUE_URL=" + queueURL(queue),
		"BILLABLE_HTTP_ADDR=127.0.0.1:0", "BILLABLE_ADMIN_ADDR=127.0.0.1:0",
		"BILLABLE_HTTP_SHUTDOWN_DELAY=1s",
	}
	if !slices.ContainsFunc(more, func(entry string) bool { return strings.HasPrefix(entry, "BILLABLE_AUTH_") }) {
		environ = append(environ, "BILLABLE_AUTH_USERNAME=chargebee", "BILLABLE_AUTH_PASSWORD=pass:word")
	}
	return append(environ, more...)
}

func start(t *testing.T, more ...string) *service {
	t.Helper()
	s := &service{
		T:      t,
		queue:  newQueue(t),
		log:    &logLines{wrote: make(chan struct{}, 1)},
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 200, MaxConnsPerHost: 200}},
	}
	ctx, cancel := context.WithCancel(context.Background())
	code := make(chan int, 1)
	go func() {
		code <- receiver.Main(ctx, cli.Process{Environ: environ(s.queue, more...), Stdout: io.Discard, Stderr: s.log})
	}()
	s.stop = sync.OnceValue(func() int {
		cancel()
		return <-code
	})
	t.Cleanup(func() {
		s.stop()
		s.client.CloseIdleConnections()
	})
	var err error
	if s.url, s.admin, err = s.log.started(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *service) get(url string) (status int, body string) {
	s.Helper()
	request, err := http.NewRequestWithContext(s.Context(), http.MethodGet, url, nil)
	if err != nil {
		s.Fatal(err)
	}
	return s.do(request)
}

func (s *service) post(body string) (status int, answer string) {
	s.Helper()
	return s.do(webhookRequest(s, s.url, body))
}

func (s *service) do(request *http.Request) (status int, body string) {
	s.Helper()
	response, err := s.client.Do(request)
	if err != nil {
		s.Error(err)
		return 0, ""
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		s.Error(err)
	}
	return response.StatusCode, string(content)
}

func webhookRequest(t testing.TB, url, body string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/webhooks/chargebee", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return nil
	}
	request.SetBasicAuth("chargebee", "pass:word")
	request.Header.Set("Content-Type", "application/json")
	return request
}

// pendingInvoice is a webhook for an invoice of the given number.
func pendingInvoice(t testing.TB, number int) string {
	t.Helper()
	content, err := os.ReadFile("../event/testdata/pending_invoice_created.json")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(string(content), "draft_inv_16BHbhF4s41mR2kG", fmt.Sprintf("draft_%d", number), 1)
}
