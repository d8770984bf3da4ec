package webhook_test

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeQueue is an Enqueuer that keeps what it gets.
type fakeQueue struct {
	send func(ctx context.Context, message queue.Message) (string, error) // may be nil

	mu       sync.Mutex
	messages []queue.Message
}

func (q *fakeQueue) Send(ctx context.Context, message queue.Message) (string, error) {
	message.Body = []byte(string(message.Body))
	q.mu.Lock()
	q.messages = append(q.messages, message)
	q.mu.Unlock()
	if q.send != nil {
		return q.send(ctx, message)
	}
	return "message-1", nil
}

func (q *fakeQueue) sent() []queue.Message {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.messages
}

// reports is an Observer.
type reports chan webhook.RequestResult

func (r reports) RequestDone(_ context.Context, report webhook.RequestResult) { r <- report }

// receiver is a server with a fake queue.
type receiver struct {
	*testing.T
	queue   *fakeQueue
	reports reports
	handler *webhook.Handler
	server  *webhook.Server
	url     string
	addr    string
	client  *http.Client
}

const maxBody = 100_000

func newReceiver(t *testing.T, change func(*webhook.Config)) *receiver {
	t.Helper()
	r := &receiver{T: t, queue: &fakeQueue{}, reports: make(reports, 1000)}
	config := webhook.Config{
		Queue:            r.queue,
		Observer:         r.reports,
		Now:              func() time.Time { return time.Date(2026, 1, 1, 1, 0, 0, 5, time.FixedZone("", 3600)) },
		Credentials:      []webhook.Credentials{{Username: "chargebee", Password: "pass:word"}, {Username: "previous", Password: "before"}},
		MaxInFlight:      100,
		MaxInFlightBytes: 10 * maxBody,
		MaxBodyBytes:     maxBody,
		RequestTimeout:   5 * time.Second,
	}
	if change != nil {
		change(&config)
	}
	r.handler = webhook.NewHandler(config)
	r.server = &webhook.Server{Handler: r.handler, ShutdownDelay: time.Millisecond, IdleTimeout: 2 * time.Minute, Evicted: func() {}, ErrorLog: log.New(io.Discard, "", 0)}
	failed := make(chan error, 1)
	addr, err := r.server.Start(t.Context(), "127.0.0.1:0", failed)
	if err != nil {
		t.Fatal(err)
	}
	r.addr, r.url = addr.String(), "http://"+addr.String()
	r.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
	t.Cleanup(func() {
		r.client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := r.server.Stop(ctx); err != nil {
			t.Error(err)
		}
		select {
		case err := <-failed:
			t.Error(err)
		default:
		}
	})
	return r
}

// request is a valid webhook.
func (r *receiver) request(body io.Reader) *http.Request {
	r.Helper()
	request, err := http.NewRequestWithContext(r.Context(), http.MethodPost, r.url+webhook.Path, body)
	if err != nil {
		r.Fatal(err)
	}
	request.SetBasicAuth("chargebee", "pass:word")
	request.Header.Set("Content-Type", "application/json")
	return request
}

// answer is a decoded response.
type answer struct {
	status int
	header http.Header
	body   string
	fields map[string]any // of a JSON body
	closes bool           // the connection ends with it
}

func (r *receiver) do(request *http.Request) answer {
	r.Helper()
	response, err := r.client.Do(request)
	if err != nil {
		r.Fatal(err)
	}
	return r.answer(response)
}

func (r *receiver) answer(response *http.Response) answer {
	r.Helper()
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		r.Fatal(err)
	}
	a := answer{status: response.StatusCode, header: response.Header, body: string(body), closes: response.Close}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &a.fields); err != nil {
			r.Errorf("the body %q: %v", body, err)
		}
	}
	return a
}

// post sends a body as a valid webhook.
func (r *receiver) post(body string) answer {
	r.Helper()
	return r.do(r.request(strings.NewReader(body)))
}

// wantProblem checks a refusal.
func (a answer) wantProblem(t *testing.T, status int) {
	t.Helper()
	if a.status != status || a.header.Get("Content-Type") != "application/problem+json" ||
		a.fields["status"] != float64(status) || a.fields["title"] != http.StatusText(status) || a.fields["type"] != "about:blank" || a.fields["detail"] == "" {
		t.Errorf("answered %d, %s: %s", a.status, a.header.Get("Content-Type"), a.body)
	}
	if (status == http.StatusServiceUnavailable) != (a.header.Get("Retry-After") != "") {
		t.Errorf("%d with Retry-After %q", status, a.header.Get("Retry-After"))
	}
}

func pendingInvoice(t testing.TB) string {
	t.Helper()
	content, err := os.ReadFile("../event/testdata/pending_invoice_created.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
