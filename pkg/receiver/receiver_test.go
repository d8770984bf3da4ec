package receiver_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/receiver"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
	"github.com/billable-events/billable/pkg/sqsqueue"
	"github.com/billable-events/billable/pkg/webhook"
)

// The compile-time proof that the edge fits the use case.
var _ webhook.Enqueuer = (*sqsqueue.Sender)(nil)

func TestReceiver_EverySuccessIsAMessage(t *testing.T) {
	t.Parallel()
	s := start(t)
	const webhooks = 1000
	ids := make([]string, webhooks)
	var senders sync.WaitGroup
	for number := range webhooks {
		body := pendingInvoice(t, number)
		senders.Go(func() {
			status, answer := s.post(body)
			var fields struct {
				MessageID string `json:"message_id"`
			}
			if err := json.Unmarshal([]byte(answer), &fields); err != nil || status != http.StatusOK {
				t.Errorf("webhook %d: %d %s", number, status, answer)
			}
			ids[number] = fields.MessageID
		})
	}
	senders.Wait()

	stored := map[string]sqs.Message{}
	for _, message := range queues.Messages(s.queue) {
		stored[message.ID] = message
	}
	for number, id := range ids {
		message, ok := stored[id]
		if !ok || message.Body != pendingInvoice(t, number) || message.Attributes["invoice_id"] != fmt.Sprintf("draft_%d", number) || message.GroupID != "cust_0001" {
			t.Errorf("webhook %d is answered with %q, where the queue has %.100q", number, id, message.Body)
		}
	}
	if len(stored) != webhooks {
		t.Errorf("%d messages", len(stored))
	}

	_, metrics := s.get(s.admin + "/metrics")
	for _, line := range []string{
		`billable_webhook_requests_total{code="200",event_type="pending_invoice_created"} 1000`,
		`billable_webhook_in_flight 0`,
		`billable_webhook_shed_total 0`,
		`billable_webhook_request_duration_seconds_count 1000`,
		`billable_enqueue_batch_entries_sum 1000`,
		`billable_enqueue_failures_total{class="unavailable"} 0`,
		`billable_enqueue_duration_seconds_count `,
	} {
		if !strings.Contains(metrics, "\n"+line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
	if code := s.stop(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// While SQS fails the receiver lives, is not ready, and refuses for the moment; it
// recovers by itself.
func TestReceiver_SQSIsDown(t *testing.T) {
	down.Store(true)
	defer down.Store(false)
	s := start(t, "BILLABLE_HTTP_REQUEST_TIMEOUT=500ms")
	if status, _ := s.get(s.admin + "/livez"); status != http.StatusOK {
		t.Errorf("livez: %d", status)
	}
	if status, body := s.get(s.admin + "/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("readyz: %d %s", status, body)
	}
	if status, body := s.post(pendingInvoice(t, 1)); status != http.StatusServiceUnavailable {
		t.Errorf("a webhook: %d %s", status, body)
	}
	if status, body := s.post(`{"event_type":"customer_created"}`); status != http.StatusOK {
		t.Errorf("an event that is ignored: %d %s", status, body)
	}
	if log := s.log.String(); !strings.Contains(log, `"status":503`) || strings.Contains(log, "pass:word") || strings.Contains(log, "cust_0001") {
		t.Errorf("the log: %s", log)
	}

	down.Store(false)
	if status, body := s.post(pendingInvoice(t, 1)); status != http.StatusOK {
		t.Errorf("after recovery: %d %s", status, body)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		status, body := s.get(s.admin + "/readyz")
		if status == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("readyz: %d %s", status, body)
		}
	}
}

func TestReceiver_ListenerInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, variable := range []string{"BILLABLE_HTTP_ADDR=", "BILLABLE_ADMIN_ADDR="} {
		code, _, stderr := run(t, environ(t.Name(), variable+taken.Addr().String()))
		if code != 1 || !strings.Contains(stderr, "address already in use") {
			t.Errorf("%s: exit %d: %s", variable, code, stderr)
		}
	}
}

// binary starts the receiver as a process of its own, of which ctx is the life.
func binary(t *testing.T, queue string, more ...string) (*exec.Cmd, *logLines) {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), executable)
	command.Env = append(os.Environ(), environ(queue, append(more, asBinary+"=1")...)...)
	log := &logLines{wrote: make(chan struct{}, 1)}
	command.Stderr = log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	return command, log
}

// From the signal on the receiver is unready, but serves until the pause is over, and
// answers what is in flight.
func TestProcess_Signal(t *testing.T) {
	t.Parallel()
	queue := newQueue(t)
	command, log := binary(t, queue)
	url, admin, err := log.started(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := &service{T: t, url: url, admin: admin, client: &http.Client{Transport: &http.Transport{}}}
	defer s.client.CloseIdleConnections()
	if status, body := s.get(admin + "/readyz"); status != http.StatusOK {
		t.Fatalf("readyz: %d %s", status, body)
	}

	// A webhook whose second half comes after the pause.
	body := pendingInvoice(t, 1)
	slow, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	request := webhookRequest(t, url, body)
	_, _ = fmt.Fprintf(slow, "POST /webhooks/chargebee HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		request.Header.Get("Authorization"), len(body), body[:100])

	signaled := time.Now()
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for {
		if status, _ := s.get(admin + "/readyz"); status == http.StatusServiceUnavailable {
			break
		}
	}
	if status, answer := s.post(body); status != http.StatusOK {
		t.Errorf("in the pause: %d %s", status, answer)
	}
	for {
		connection, err := net.Dial("tcp", slow.RemoteAddr().String())
		if err != nil {
			break
		}
		_ = connection.Close()
	}
	if took := time.Since(signaled); took < time.Second {
		t.Errorf("it stopped accepting after %s", took)
	}
	if status, _ := s.get(admin + "/livez"); status != http.StatusOK {
		t.Errorf("livez: %d", status)
	}
	if _, err := io.WriteString(slow, body[100:]); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(slow), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("what was in flight is answered %s", response.Status)
	}
	s.client.CloseIdleConnections()
	if err := command.Wait(); err != nil {
		t.Errorf("it ended with %v: %s", err, log)
	}
	if stored := len(queues.Messages(queue)); stored != 2 {
		t.Errorf("%d messages", stored)
	}
}

func TestProcess_SecondSignal(t *testing.T) {
	t.Parallel()
	command, log := binary(t, newQueue(t), "BILLABLE_HTTP_SHUTDOWN_DELAY=1m")
	if _, _, err := log.started(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = command.Process.Signal(syscall.SIGTERM)
	if err := log.wait(t.Context(), "receiver stopping"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	_ = command.Process.Signal(syscall.SIGTERM)
	err := <-ended
	if err == nil || command.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v", err)
	}
}

// A receiver without listeners, as others put it into one process.
func TestReceiver_WithoutListeners(t *testing.T) {
	t.Parallel()
	service := sqs.New(sqs.Config{})
	r := inMemory(t, service)
	if err := r.Ready(); err == nil {
		t.Error("ready without a queue")
	}
	answer := httptest.NewRecorder()
	r.Handler().ServeHTTP(answer, webhookRequest(t, "", `{"event_type":"customer_created"}`))
	if answer.Code != http.StatusOK {
		t.Errorf("answered %d", answer.Code)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func inMemory(t testing.TB, service http.Handler) *receiver.Receiver {
	t.Helper()
	settings := config.DefaultReceiver()
	settings.Queue.URL = queueURL("events")
	settings.Auth = config.Auth{Username: "chargebee", Password: "pass:word", PreviousUsername: "previous", PreviousPassword: "before"}
	return wired(settings, service, zerolog.Nop())
}

// wired is a receiver with a fake of SQS in the same process.
func wired(settings config.Receiver, service http.Handler, logger zerolog.Logger) *receiver.Receiver {
	return receiver.New(settings, receiver.Deps{AWS: aws.Config{
		Region:       "eu-central-1",
		BaseEndpoint: aws.String("http://sandbox.local"),
		Credentials:  credentials.NewStaticCredentialsProvider("id", "secret", ""),
		HTTPClient:   &http.Client{Transport: sandbox.Transport{Handler: service}},
	}}, logger)
}

func TestMain_NoRegion(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	if code, _, stderr := run(t, environ("x")); code != 2 || !strings.Contains(stderr, "AWS_REGION") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// One log line describes a request, without secrets.
func TestObserver_LogsEachRequest(t *testing.T) {
	t.Parallel()
	s := start(t, "BILLABLE_LOG_LEVEL=debug")
	body := pendingInvoice(t, 7)
	s.post(body)
	s.post("{")
	s.post(`{"event_type":"` + strings.Repeat("x", 1000) + `"}`)
	s.get(s.url + "/nowhere")
	s.stop()
	var lines []map[string]any
	for line := range strings.Lines(s.log.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		if fields["message"] == "webhook answered" {
			lines = append(lines, fields)
		}
	}
	for i, want := range []map[string]any{
		{"level": "info", "status": 200., "event_type": "pending_invoice_created", "event_id": "ev_16BHbhF4s42tO2lK", "invoice_id": "draft_7", "bytes": float64(len(body))},
		{"level": "warn", "status": 400., "event_type": "", "bytes": 1.},
		{"status": 200., "event_type": strings.Repeat("x", 200), "messaging.message.id": ""},
		{"level": "info", "status": 404., "bytes": 0.},
	} {
		for key, value := range want {
			if lines[i][key] != value {
				t.Errorf("line %d: %s is %v, not %v", i, key, lines[i][key], value)
			}
		}
		if lines[i]["duration_ms"] == nil || (lines[i]["error"] == nil) != (want["status"] == 200.) {
			t.Errorf("line %d: %v", i, lines[i])
		}
	}
	if stored := queues.Messages(s.queue); len(stored) != 1 || lines[0]["messaging.message.id"] != stored[0].ID {
		t.Errorf("%d messages, the line has %v", len(stored), lines[0]["messaging.message.id"])
	}
	if log := s.log.String(); strings.Contains(log, "pass:word") || strings.Contains(log, "cust_0001") {
		t.Errorf("the log contains too much: %s", log)
	}
}
