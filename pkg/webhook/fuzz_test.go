package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/webhook"
)

// FuzzHandler gives the handler any method, target and body, with the headers of a good
// webhook changed line by line: "Name: value" adds one, "-Name" takes one away.
func FuzzHandler(f *testing.F) {
	const good, plain = http.MethodPost, webhook.Path
	valid := pendingInvoice(f)
	for _, seed := range []struct{ method, target, headers, body string }{
		{good, plain, "", valid},
		{good, plain, "", event},
		{good, plain, "", strings.Replace(valid, "ev_", `\u0000`, 1)},
		{good, plain, "", strings.Replace(valid, "1767225600", "1e400", 1)},
		{good, plain, "", strings.Replace(valid, `"line_items": [`, `"line_items": [{"id":1,"id":2},`, 1)},
		{good, plain, "", "{\"x\":\"\uFFFF\"," + valid[1:]},
		{good, plain, "", "{\"x\":\"\xff\"," + valid[1:]},
		{good, plain, "", `{"x\ud800":"\ud800",` + valid[1:]},
		{good, plain, "", strings.Replace(valid, `"cust_0001"`, "null", 1)},
		{good, plain, "", `{"id":"ev_1","event_type":"pending_invoice_created","content":{"invoice":{"id":"i"}}}`},
		{good, plain, "", `{"event_type":{"event_type":[`},
		{good, plain, "Transfer-Encoding: chunked", valid},
		{good, plain, "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", valid},
		{good, plain, "Refused-By-The-Queue: yes", valid},
		{good, plain, "-Authorization", valid},
		{good, plain, "-Authorization\nAuthorization: Basic Og==", valid},
		{good, plain, "Authorization: Bearer x", valid},
		{good, plain, "-Content-Type", valid},
		{good, plain, "-Content-Type\nContent-Type: application/json; charset=latin1; charset", valid},
		{good, plain, "Content-Type: text/plain", valid},
		{good, plain, "Content-Encoding: gzip", "\x1f\x8b"},
		{good, plain + "?a=%zz;b", "", valid},
		{good, plain + "/", "", valid},
		{good, "//webhooks/%63hargebee", "", valid},
		{good, "http://example.com/webhooks/chargebee", "", valid},
		{http.MethodHead, plain, "", ""},
		{http.MethodOptions, "*", "", ""},
		{"BREW", "/", "-Content-Type", "\x00"},
		{good, plain, "", strings.Repeat("[", 20_000)},
	} {
		f.Add(seed.method, seed.target, seed.headers, []byte(seed.body))
	}
	f.Fuzz(func(t *testing.T, method, target, headers string, body []byte) {
		parsed, err := url.ParseRequestURI(target)
		if err != nil {
			t.Skip("net/http refuses it")
		}
		request := &http.Request{
			Method: method, URL: parsed, RequestURI: target, Host: parsed.Host,
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Authorization": {"Basic cHJldmlvdXM6YmVmb3Jl"}, "Content-Type": {"application/json"}},
			Body:   http.NoBody, ContentLength: int64(len(body)),
		}
		for line := range strings.Lines(headers) {
			line = strings.TrimSpace(line)
			if name, found := strings.CutPrefix(line, "-"); found {
				request.Header.Del(name)
			} else if name, value, found := strings.Cut(line, ":"); found {
				request.Header.Add(name, strings.TrimSpace(value))
			}
		}
		if request.Header.Get("Transfer-Encoding") == "chunked" {
			request.TransferEncoding, request.ContentLength = []string{"chunked"}, -1
			request.Header.Del("Transfer-Encoding")
		}
		if len(body) > 0 {
			request.Body = readOnce{bytes.NewReader(body)}
		}
		taken := &fakeQueue{}
		if request.Header.Get("Refused-By-The-Queue") != "" {
			taken.send = func(context.Context, queue.Message) (string, error) { return "", errors.New("refused") }
		}
		handler := webhook.NewHandler(webhook.Config{
			Queue: taken, Observer: noObserver{}, Now: time.Now,
			Credentials: []webhook.Credentials{{Username: "previous", Password: "before"}},
			MaxInFlight: 1, MaxInFlightBytes: maxBody, MaxBodyBytes: maxBody, RequestTimeout: time.Minute,
		})
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request.WithContext(t.Context()))
		checkAnswer(t, method, recorder, body, taken)
		if handler.InFlight() != 0 {
			t.Error("it is still in flight")
		}
	})
}

// readOnce is a body that is nothing else than an io.Reader.
type readOnce struct{ *bytes.Reader }

func (readOnce) Close() error { return nil }

// checkAnswer holds what is true of every answer.
func checkAnswer(t *testing.T, method string, got *httptest.ResponseRecorder, body []byte, taken *fakeQueue) {
	t.Helper()
	var fields struct {
		Status    any
		EventID   string `json:"event_id"`
		MessageID string `json:"message_id"`
		Detail    string
	}
	if answer := got.Body.Bytes(); method == http.MethodHead && got.Code != http.StatusOK {
		if len(answer) != 0 {
			t.Errorf("HEAD is answered with %s", answer)
		}
	} else if err := json.Unmarshal(answer, &fields); err != nil {
		t.Errorf("%q: %v", answer, err)
	}

	want := "application/problem+json"
	switch got.Code {
	case http.StatusOK:
		want = "application/json"
	case http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
	case http.StatusUnauthorized:
		if got.Header().Get("WWW-Authenticate") == "" {
			t.Error("401 without WWW-Authenticate")
		}
	case http.StatusMethodNotAllowed:
		if got.Header().Get("Allow") != http.MethodPost {
			t.Error("405 without Allow")
		}
	case http.StatusServiceUnavailable:
		if got.Header().Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
	default:
		t.Errorf("answered %d: %s", got.Code, got.Body)
	}
	if contentType := got.Header().Get("Content-Type"); contentType != want {
		t.Errorf("%d has the content type %q", got.Code, contentType)
	}

	queued := fields.Status == "queued"
	messages := taken.sent()
	if queued != (got.Code == http.StatusOK && len(messages) == 1 && taken.send == nil) {
		t.Fatalf("answered %d: %s, with %d messages", got.Code, got.Body, len(messages))
	}
	if queued {
		checkMessage(t, messages[0], body, fields.EventID)
	}
}

// checkMessage compares what was queued with what another reader of JSON sees in the body.
func checkMessage(t *testing.T, message queue.Message, body []byte, eventID string) {
	t.Helper()
	var seen map[string]any
	if err := json.Unmarshal(body, &seen); err != nil || !bytes.Equal(message.Body, body) {
		t.Fatalf("queued as %q: %v", message.Body, err)
	}
	content, _ := seen["content"].(map[string]any)
	invoice, _ := content["invoice"].(map[string]any)
	group, _ := invoice["customer_id"].(string)
	if group == "" {
		group, _ = invoice["id"].(string)
	}
	if seen["event_type"] != "pending_invoice_created" || seen["id"] != eventID ||
		message.Attributes[queue.AttributeEventID] != eventID ||
		invoice["id"] != message.Attributes[queue.AttributeInvoiceID] || group != message.GroupID {
		t.Errorf("%s is queued as %+v", body, message)
	}
	for name, value := range message.Attributes {
		if value == "" || !sqsTakes(value) {
			t.Errorf("SQS does not take %s: %q", name, value)
		}
	}
	if !sqsTakes(string(message.Body)) {
		t.Errorf("SQS does not take the body %q", message.Body)
	}
}

// sqsTakes reports whether all characters are among those that SQS documents.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func sqsTakes(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return r != '\t' && r != '\n' && r != '\r' && (r < 0x20 || r > 0xD7FF && r < 0xE000 || r > 0xFFFD && r < 0x10000)
	})
}
