package webhook_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/webhook"
)

// raw sends text as it is and returns the connection.
func (r *receiver) raw(text string) net.Conn {
	r.Helper()
	connection, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = connection.Close() })
	if _, err := io.WriteString(connection, text); err != nil {
		r.Fatal(err)
	}
	return connection
}

// head is the header of a valid webhook up to the length of the body.
const head = "POST /webhooks/chargebee HTTP/1.1\r\nHost: x\r\nAuthorization: Basic cHJldmlvdXM6YmVmb3Jl\r\nContent-Type: application/json\r\n"

// read reads an answer.
func (r *receiver) read(connection io.Reader) answer {
	r.Helper()
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		r.Fatal(err)
	}
	return r.answer(response)
}

// padded returns an event of the given size.
func padded(size int) string {
	const start, end = `{"event_type":"x","x":"`, `"}`
	return start + strings.Repeat("x", size-len(start)-len(end)) + end
}

func TestServer_BodySizes(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	for size, status := range map[int]int{maxBody: 200, maxBody + 1: 413, 3 * maxBody: 413} {
		for _, chunked := range []bool{false, true} {
			var body io.Reader = strings.NewReader(padded(size))
			if chunked {
				body = struct{ io.Reader }{body} // its length does not show
			}
			got := r.do(r.request(body))
			if got.status != status {
				t.Errorf("%d bytes, chunked %t: answered %d", size, chunked, got.status)
			}
			if status != 200 {
				got.wantProblem(t, status)
			}
		}
	}
}

func TestServer_DoesNotContinueTooLargeBody(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	for name, test := range map[string]struct {
		header string
		want   int
	}{
		"too large":            {head + fmt.Sprintf("Content-Length: %d\r\nExpect: 100-continue\r\n\r\n", maxBody+1), 413},
		"no credentials":       {strings.Replace(head, "Basic", "Other", 1) + "Content-Length: 10\r\nExpect: 100-continue\r\n\r\n", 401},
		"all that is required": {head + "Content-Length: 10\r\nExpect: 100-continue\r\n\r\n", 100},
	} {
		if got := r.read(r.raw(test.header)); got.status != test.want {
			t.Errorf("%s: answered %d", name, got.status)
		}
	}
}

// An unread body delays no response, and one that has arrived costs no
// connection.
func TestServer_UnreadBody(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	anonymous := strings.Replace(head, "Basic", "Other", 1) + "Content-Length: 100\r\n\r\n"
	started := time.Now()
	if got := r.read(r.raw(anonymous)); got.status != 401 || time.Since(started) > 3*time.Second {
		t.Errorf("answered %d after %s", got.status, time.Since(started))
	}
	if got := r.read(r.raw(anonymous + padded(100))); got.status != 401 || got.closes {
		t.Errorf("answered %d, the connection closes: %t", got.status, got.closes)
	}
}

func TestServer_SlowBody(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(config *webhook.Config) { config.RequestTimeout = 200 * time.Millisecond })
	for name, text := range map[string]string{
		"nothing of it":  head + "Content-Length: 100\r\n\r\n",
		"a part of it":   head + "Content-Length: 100\r\n\r\n{\"event",
		"a chunk of it":  head + "Transfer-Encoding: chunked\r\n\r\n7\r\n{\"event\r\n",
		"half its chunk": head + "Transfer-Encoding: chunked\r\n\r\nff\r\n{\"event",
	} {
		started := time.Now()
		got := r.read(r.raw(text))
		if took := time.Since(started); got.status != 503 || got.header.Get("Retry-After") == "" || took < 200*time.Millisecond || took > 3*time.Second {
			t.Errorf("%s: answered %d after %s", name, got.status, took)
		}
		if report := <-r.reports; report.Status != 503 || !errors.Is(report.Err, os.ErrDeadlineExceeded) || report.Overload {
			t.Errorf("%s: the report is %+v", name, report)
		}
	}
}

func TestServer_ClientGone(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	if err := r.raw(head + "Content-Length: 100\r\n\r\n{").Close(); err != nil {
		t.Fatal(err)
	}
	if report := <-r.reports; report.Status != webhook.StatusClientGone {
		t.Errorf("during the body: the report is %+v", report)
	}

	sending := make(chan struct{})
	r.queue.send = func(ctx context.Context, _ queue.Message) (string, error) {
		close(sending)
		<-ctx.Done()
		return "", context.Cause(ctx)
	}
	body := pendingInvoice(t)
	connection := r.raw(head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body))
	<-sending
	_ = connection.Close()
	if report := <-r.reports; report.Status != webhook.StatusClientGone || report.EventID == "" {
		t.Errorf("while sending: the report is %+v", report)
	}
}

// One connection carries many requests, of which a slow one does not end the next.
func TestServer_KeepsConnections(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(config *webhook.Config) { config.RequestTimeout = 200 * time.Millisecond })
	body := padded(100)
	connection := r.raw("")
	for range 3 {
		if _, err := io.WriteString(connection, head+"Content-Length: 100\r\n\r\n"+body); err != nil {
			t.Fatal(err)
		}
		if got := r.read(connection); got.status != 200 || got.closes {
			t.Errorf("answered %d, the connection closes: %t", got.status, got.closes)
		}
		<-time.After(250 * time.Millisecond) // longer than one request may take
	}
}

// holding is a queue that keeps its senders until they are released.
func (r *receiver) holding() (arrived chan struct{}, release func()) {
	arrived, gate := make(chan struct{}, 100), make(chan struct{})
	r.queue.send = func(context.Context, queue.Message) (string, error) {
		arrived <- struct{}{}
		<-gate
		return "message", nil
	}
	return arrived, func() { close(gate) }
}

// postAsync sends webhooks at once and returns where their statuses arrive.
func (r *receiver) postAsync(bodies ...string) <-chan int {
	statuses := make(chan int, len(bodies))
	for _, body := range bodies {
		request := r.request(strings.NewReader(body))
		go func() {
			response, err := r.client.Do(request)
			if err != nil {
				r.Error(err)
				statuses <- 0
				return
			}
			_ = response.Body.Close()
			statuses <- response.StatusCode
		}()
	}
	return statuses
}

func TestServer_LimitsRequestsInFlight(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(config *webhook.Config) { config.MaxInFlight = 2 })
	arrived, release := r.holding()
	body := pendingInvoice(t)
	held := r.postAsync(body, body)
	<-arrived
	<-arrived
	if r.handler.InFlight() != 2 {
		t.Errorf("%d in flight", r.handler.InFlight())
	}

	// Before the credentials and the body, of which nothing is sent.
	got := r.read(r.raw(strings.Replace(head, "Basic", "Other", 1) + "Content-Length: 100\r\n\r\n"))
	if got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("answered %d", got.status)
	}
	if report := <-r.reports; !report.Overload || report.Status != 503 {
		t.Errorf("the report is %+v", report)
	}
	// Requests to other paths are answered.
	request := r.request(nil)
	request.URL.Path = "/"
	r.do(request).wantProblem(t, 404)

	release()
	for range 2 {
		if status := <-held; status != 200 {
			t.Errorf("a request that was let in was answered %d", status)
		}
	}
	if got := r.post(`{"event_type":"x"}`); got.status != 200 || r.handler.InFlight() != 0 {
		t.Errorf("afterwards: answered %d, %d in flight", got.status, r.handler.InFlight())
	}
}

func TestServer_LimitsBytesInFlight(t *testing.T) {
	t.Parallel()
	body := pendingInvoice(t)
	r := newReceiver(t, func(config *webhook.Config) { config.MaxInFlightBytes = maxBody + int64(len(body)) })
	arrived, release := r.holding()
	held := r.postAsync(body)
	<-arrived

	if got := r.post(padded(maxBody)); got.status != 200 {
		t.Errorf("what just fits is answered %d", got.status)
	}
	arriving := r.raw(head + fmt.Sprintf("Content-Length: %d\r\nExpect: 100-continue\r\n\r\n", maxBody-100))
	if got := r.read(arriving); got.status != http.StatusContinue { // its bytes count before they come
		t.Fatalf("answered %d", got.status)
	}
	r.post(padded(101)).wantProblem(t, 503)
	chunked := r.do(r.request(struct{ io.Reader }{strings.NewReader(padded(1000))}))
	chunked.wantProblem(t, 503)
	if _, err := io.WriteString(arriving, padded(maxBody-100)); err != nil {
		t.Fatal(err)
	}
	if got := r.read(arriving); got.status != 200 {
		t.Errorf("what was let in is answered %d", got.status)
	}

	release()
	if status := <-held; status != 200 {
		t.Errorf("answered %d", status)
	}
	if got := r.do(r.request(struct{ io.Reader }{strings.NewReader(padded(maxBody))})); got.status != 200 {
		t.Errorf("afterwards: answered %d", got.status)
	}
	sheds := 0
	for range len(r.reports) {
		if report := <-r.reports; report.Overload {
			sheds++
		}
	}
	if sheds != 2 {
		t.Errorf("%d requests were shed", sheds)
	}
}

func TestHandler_Closed(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	r.handler.Close()
	r.post(pendingInvoice(t)).wantProblem(t, http.StatusServiceUnavailable)
	if len(r.queue.sent()) != 0 {
		t.Error("it was queued")
	}
}

func TestServer_Stop(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	r.server.ShutdownDelay = 300 * time.Millisecond
	arrived, release := r.holding()
	body := pendingInvoice(t)
	held := r.postAsync(body)
	<-arrived

	stopped := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		stopped <- r.server.Stop(ctx)
	}()
	for { // in the pause requests are answered, and connections end with them
		got := r.do(r.request(strings.NewReader(`{"event_type":"x"}`)))
		if got.status != 200 {
			t.Fatalf("in the pause: answered %d", got.status)
		}
		if got.closes {
			break
		}
	}
	for { // until nothing is accepted any more
		connection, err := net.Dial("tcp", r.addr)
		if err != nil {
			break
		}
		_ = connection.Close()
	}
	select {
	case err := <-stopped:
		t.Fatalf("stopped with a request in flight: %v", err)
	default:
	}
	release()
	if status := <-held; status != 200 {
		t.Errorf("the request in flight was answered %d", status)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestServer_StopClosesConnections(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	arrived, release := r.holding()
	request := r.request(strings.NewReader(pendingInvoice(t)))
	gone := make(chan error, 1)
	go func() {
		response, err := r.client.Do(request)
		if err == nil {
			_ = response.Body.Close()
		}
		gone <- err
	}()
	<-arrived
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.server.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stopped: %v", err)
	}
	if err := <-gone; err == nil {
		t.Error("the request was answered")
	}
	release()
}

func TestServer_StartFails(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	if _, err := r.server.Start(t.Context(), r.addr, nil); err == nil {
		t.Error("two servers share an address")
	}
}
