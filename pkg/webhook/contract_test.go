package webhook_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/webhook"
)

func TestHandler_EnqueuesPendingInvoice(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	body := pendingInvoice(t)
	got := r.post(body)
	want := `{"status":"queued","event_id":"ev_16BHbhF4s42tO2lK","message_id":"message-1"}`
	if got.status != http.StatusOK || strings.TrimSpace(got.body) != want || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("answered %d %s: %s", got.status, got.header.Get("Content-Type"), got.body)
	}
	message := r.queue.sent()[0]
	attributes := map[string]string{
		"event_id": "ev_16BHbhF4s42tO2lK", "event_type": "pending_invoice_created",
		"invoice_id": "draft_inv_16BHbhF4s41mR2kG", "received_at": "2026-01-01T00:00:00Z",
	}
	if string(message.Body) != body || message.GroupID != "cust_0001" || !maps.Equal(message.Attributes, attributes) {
		t.Errorf("the message is %+v", message)
	}
	report := <-r.reports
	if report.Duration <= 0 {
		t.Error("it took no time")
	}
	report.Duration = 0
	if report != (webhook.RequestResult{
		Status: 200, EventType: "pending_invoice_created", EventID: "ev_16BHbhF4s42tO2lK", InvoiceID: "draft_inv_16BHbhF4s41mR2kG",
		MessageID: "message-1", ClientAddress: "127.0.0.1", Bytes: int64(len(body)),
	}) || report.EventLabel() != "pending_invoice_created" {
		t.Errorf("the report is %+v", report)
	}
}

func TestHandler_EnqueuesAnyInvoiceStatus(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	if got := r.post(strings.Replace(pendingInvoice(t), `"pending"`, `"posted"`, 1)); got.status != http.StatusOK || len(r.queue.sent()) != 1 {
		t.Errorf("answered %d: %s", got.status, got.body)
	}
}

func TestHandler_GroupWithoutCustomer(t *testing.T) {
	t.Parallel()
	valid := pendingInvoice(t)
	for name, replacement := range map[string]string{"null": `"customer_id": null`, "empty": `"customer_id": ""`, "absent": `"x": 1`} {
		r := newReceiver(t, nil)
		got := r.post(strings.Replace(valid, `"customer_id": "cust_0001"`, replacement, 1))
		if got.status != http.StatusOK {
			t.Errorf("%s: answered %d: %s", name, got.status, got.body)
			continue
		}
		if group := r.queue.sent()[0].GroupID; group != "draft_inv_16BHbhF4s41mR2kG" {
			t.Errorf("%s: the group is %q", name, group)
		}
	}
}

func TestHandler_IgnoresOtherEvents(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	got := r.post(`{"event_type":"customer_<changed>"}`)
	if got.status != http.StatusOK || len(got.fields) != 2 || got.fields["status"] != "ignored" || got.fields["event_type"] != "customer_<changed>" {
		t.Errorf("answered %d: %s", got.status, got.body)
	}
	if len(r.queue.sent()) != 0 {
		t.Error("it was queued")
	}
	if report := <-r.reports; report.EventLabel() != "other" || report.EventType != "customer_<changed>" {
		t.Errorf("the report is %+v", report)
	}
}

func TestHandler_InvalidEvents(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	valid := pendingInvoice(t)
	for name, test := range map[string]struct{ body, field string }{
		"nothing":           {"", ""},
		"no JSON":           {"hello", ""},
		"trailing data":     {valid + "{}", ""},
		"a BOM":             {"\uFEFF" + valid, ""},
		"invalid UTF-8":     {strings.Replace(valid, "cust_0001", "cust\xff", 1), ""},
		"no type":           {`{}`, "event_type"},
		"type a number":     {`{"event_type":1}`, "event_type"},
		"date a string":     {strings.Replace(valid, `"date": 1767225600`, `"date": "x"`, 1), "content.invoice.date"},
		"customer a number": {strings.Replace(valid, `"customer_id": "cust_0001"`, `"customer_id": 1`, 1), "content.invoice.customer_id"},
		"id refused":        {strings.Replace(valid, "ev_16BHbhF4s42tO2lK", `\u0000`, 1), "id"},
		"version 1":         {strings.Replace(valid, `"v2"`, `"v1"`, 1), "api_version"},
		"customer twice":    {strings.Replace(valid, `"customer_id"`, `"customer_id": "x", "customer_id"`, 1), "content.invoice.customer_id"},
	} {
		got := r.post(test.body)
		got.wantProblem(t, http.StatusBadRequest)
		problems, _ := got.fields["errors"].([]any)
		if len(problems) != 1 {
			t.Errorf("%s: %s", name, got.body)
			continue
		}
		problem, _ := problems[0].(map[string]any)
		if problem["field"] != test.field || problem["problem"] == "" || len(problem) != 2 {
			t.Errorf("%s: %s", name, got.body)
		}
		if report := <-r.reports; report.EventLabel() != "none" || report.Err == nil || report.Status != 400 {
			t.Errorf("%s: the report is %+v", name, report)
		}
	}
	if got := r.post(strings.NewReplacer(`"USD"`, `1`, `"EUR"`, `1`, `"pending"`, `2`).Replace(valid)); len(got.fields["errors"].([]any)) != 2 {
		t.Errorf("two wrong fields: %s", got.body)
	}
	if len(r.queue.sent()) != 0 {
		t.Error("something was queued")
	}
}

func TestHandler_Credentials(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	var refused string
	for _, test := range []struct {
		header string
		status int
	}{
		{basic("chargebee:pass:word"), 200},
		{basic("previous:before"), 200},
		{strings.Replace(basic("previous:before"), "Basic", "basic", 1), 200},
		{"", 401},
		{basic("chargebee:pass"), 401},
		{basic("chargebee:before"), 401},
		{basic("previous:pass:word"), 401},
		{basic("nobody:pass:word"), 401},
		{basic("chargebee:"), 401},
		{basic(":"), 401},
		{basic("chargebee"), 401},
		{"Basic !", 401},
		{"Bearer " + basic("chargebee:pass:word")[6:], 401},
	} {
		request := r.request(strings.NewReader(`{"event_type":"x"}`))
		request.Header.Del("Authorization")
		if test.header != "" {
			request.Header.Set("Authorization", test.header)
		}
		got := r.do(request)
		if got.status != test.status {
			t.Errorf("%q: answered %d", test.header, got.status)
		}
		if got.status != http.StatusUnauthorized {
			continue
		}
		got.wantProblem(t, 401)
		if refused == "" {
			refused = got.body
		}
		if !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Basic ") || got.body != refused {
			t.Errorf("%q: %q, %s", test.header, got.header.Get("WWW-Authenticate"), got.body)
		}
	}
}

// A request is authenticated by the credentials at its start, a later one by those of then.
func TestHandler_SetCredentials(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	r.queue.send = func(context.Context, queue.Message) (string, error) {
		r.handler.SetCredentials([]webhook.Credentials{{Username: "chargebee", Password: "next"}})
		return "message-1", nil
	}
	if got := r.post(pendingInvoice(t)); got.status != http.StatusOK {
		t.Errorf("in flight: answered %d", got.status)
	}
	r.post(pendingInvoice(t)).wantProblem(t, http.StatusUnauthorized)
	request := r.request(strings.NewReader(`{"event_type":"x"}`))
	request.SetBasicAuth("chargebee", "next")
	if got := r.do(request); got.status != http.StatusOK {
		t.Errorf("the next: answered %d", got.status)
	}

	r.handler.SetCredentials(nil)
	request.Body, _ = request.GetBody()
	r.do(request).wantProblem(t, http.StatusUnauthorized)
}

func TestHandler_WithoutCredentials(t *testing.T) {
	t.Parallel()
	for anyone, status := range map[bool]int{false: 401, true: 200} {
		r := newReceiver(t, func(config *webhook.Config) { config.Credentials, config.AllowUnauthenticated = nil, anyone })
		for _, authorization := range []string{"", "Basic Og=="} { // the second is an empty name and password
			request := r.request(strings.NewReader(`{"event_type":"x"}`))
			request.Header.Set("Authorization", authorization)
			if got := r.do(request); got.status != status {
				t.Errorf("anyone %t: answered %d", anyone, got.status)
			}
		}
	}
}

func TestHandler_PathsAndMethods(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{"POST", "/webhooks/chargebee", 200},
		{"POST", "/webhooks/chargebee?x=1", 200},
		{"POST", "/webhooks/chargebee/", 404},
		{"POST", "/webhooks/chargebee/x", 404},
		{"POST", "/webhooks/Chargebee", 404},
		{"POST", "/webhooks//chargebee", 404},
		{"POST", "//webhooks/chargebee", 404},
		{"POST", "/webhooks%2Fchargebee", 404},
		{"POST", "/webhooks", 404},
		{"POST", "/", 404},
		{"GET", "/livez", 404},
		{"GET", "/", 404},
		{"HEAD", "/", 404},
		{"OPTIONS", "/", 404},
		{"GET", "/webhooks/chargebee", 405},
		{"HEAD", "/webhooks/chargebee", 405},
		{"PUT", "/webhooks/chargebee", 405},
		{"PATCH", "/webhooks/chargebee", 405},
		{"DELETE", "/webhooks/chargebee", 405},
		{"OPTIONS", "/webhooks/chargebee", 405},
		{"TRACE", "/webhooks/chargebee", 405},
		{"PROPFIND", "/webhooks/chargebee", 405},
		{"BREW", "/webhooks/chargebee", 405},
	} {
		request := r.request(strings.NewReader(`{"event_type":"x"}`))
		request.Method = test.method
		request.URL.Opaque = "//" + r.addr + test.path
		got := r.do(request)
		if got.status != test.status {
			t.Errorf("%s %s: answered %d", test.method, test.path, got.status)
		}
		if test.status != 200 && test.method != "HEAD" {
			got.wantProblem(t, test.status)
		}
		if allow := got.header.Values("Allow"); (got.status == 405) != (fmt.Sprint(allow) == "[POST]") {
			t.Errorf("%s %s: Allow is %v", test.method, test.path, allow)
		}
		report := <-r.reports
		if report.Status != test.status || (report.Err != nil) != (test.status != 200) {
			t.Errorf("%s %s: the report is %+v", test.method, test.path, report)
		}
		if report.Err != nil && strings.Contains(report.Err.Error(), "code=") { // a text of the framework
			t.Errorf("%s %s: %v", test.method, test.path, report.Err)
		}
	}
}

func TestHandler_ContentTypes(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	for _, test := range []struct {
		header http.Header
		status int
	}{
		{http.Header{"Content-Type": {"application/json"}}, 200},
		{http.Header{"Content-Type": {"application/json;charset=UTF-8"}}, 200},
		{http.Header{"Content-Type": {`Application/JSON; Charset="utf-8"; x=y`}}, 200},
		{http.Header{"Content-Type": {"application/json; charset=iso-8859-1"}}, 415},
		{http.Header{"Content-Type": {"application/json; charset=utf-16"}}, 415},
		{http.Header{"Content-Type": {"application/json; charset="}}, 415},
		{http.Header{"Content-Type": {"application/json; charset=utf-8; charset=utf-16"}}, 415},
		{http.Header{"Content-Type": {"application/json", "text/plain"}}, 415},
		{http.Header{"Content-Type": {"text/json"}}, 415},
		{http.Header{"Content-Type": {"application/jsonx"}}, 415},
		{http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, 415},
		{http.Header{"Content-Type": {""}}, 415},
		{http.Header{}, 415},
		{http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}, 415},
		{http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"identity"}}, 200},
		{http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"identity", "gzip"}}, 415},
		{http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"identity, gzip"}}, 415},
		{http.Header{"Content-Type": {"application/json; charset=utf8"}}, 200},
		{http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {""}}, 415},
	} {
		request := r.request(strings.NewReader(`{"event_type":"x"}`))
		request.Header.Del("Content-Type")
		maps.Copy(request.Header, test.header)
		got := r.do(request)
		if got.status != test.status {
			t.Errorf("%v: answered %d", test.header, got.status)
		}
		if test.status != 200 {
			got.wantProblem(t, test.status)
		}
	}
}

// The first failed check determines the response.
func TestHandler_OrderOfChecks(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	request := r.request(strings.NewReader(strings.Repeat("x", maxBody+1)))
	request.Method = http.MethodPut
	request.URL.Path = "/nowhere"
	request.Header = http.Header{}
	for _, step := range []struct {
		status int
		fix    func()
	}{
		{404, func() { request.URL.Path = webhook.Path }},
		{405, func() { request.Method = http.MethodPost }},
		{401, func() { request.SetBasicAuth("chargebee", "pass:word") }},
		{415, func() { request.Header.Set("Content-Type", "application/json") }},
		{413, func() {}},
	} {
		request.Body, _ = request.GetBody()
		if got := r.do(request); got.status != step.status {
			t.Errorf("answered %d instead of %d", got.status, step.status)
		}
		step.fix()
	}
}

func TestHandler_QueueFails(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	r := newReceiver(t, func(config *webhook.Config) { config.RequestTimeout = 300 * time.Millisecond })
	r.queue.send = func(context.Context, queue.Message) (string, error) { return "", refused }
	got := r.post(pendingInvoice(t))
	got.wantProblem(t, http.StatusServiceUnavailable)
	if report := <-r.reports; !errors.Is(report.Err, refused) || report.Overload || report.EventLabel() != "pending_invoice_created" || strings.Contains(got.body, "refused") {
		t.Errorf("the report is %+v, the answer %s", report, got.body)
	}

	r.queue.send = func(ctx context.Context, _ queue.Message) (string, error) {
		<-ctx.Done()
		<-time.After(50 * time.Millisecond) // in which a read deadline would end the request's context
		return "", context.Cause(ctx)
	}
	started := time.Now()
	r.post(pendingInvoice(t)).wantProblem(t, http.StatusServiceUnavailable)
	if took := time.Since(started); took < 300*time.Millisecond || took > 3*time.Second {
		t.Errorf("a slow queue was given up after %s", took)
	}
	if report := <-r.reports; report.Status != http.StatusServiceUnavailable || !errors.Is(report.Err, context.DeadlineExceeded) {
		t.Errorf("a slow queue: the report is %+v", report)
	}

	r.queue.send = func(context.Context, queue.Message) (string, error) { panic("a defect") }
	r.post(pendingInvoice(t)).wantProblem(t, http.StatusInternalServerError)
	if r.handler.InFlight() != 0 {
		t.Errorf("%d requests in flight", r.handler.InFlight())
	}
}

func TestHandler_TraceParent(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	const valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, test := range []struct {
		given []string
		want  string
	}{
		{[]string{valid}, valid},
		{[]string{"cc" + valid[2:]}, valid},
		{[]string{"cc" + valid[2:] + "-what-may-come"}, valid},
		{nil, ""},
		{[]string{valid, valid}, ""},
		{[]string{valid + "-x"}, ""},
		{[]string{valid + "x"}, ""},
		{[]string{"cc" + valid[2:] + "x"}, ""},
		{[]string{"ff" + valid[2:]}, ""},
		{[]string{valid[:54]}, ""},
		{[]string{strings.ToUpper(valid)}, ""},
		{[]string{"00-00000000000000000000000000000000-b7ad6b7169203331-01"}, ""},
		{[]string{"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"}, ""},
		{[]string{"garbage"}, ""},
	} {
		request := r.request(strings.NewReader(pendingInvoice(t)))
		request.Header["Traceparent"] = test.given
		if got := r.do(request); got.status != http.StatusOK {
			t.Errorf("%q: answered %d", test.given, got.status)
		}
		sent := r.queue.sent()
		if got := sent[len(sent)-1].Attributes["traceparent"]; got != test.want {
			t.Errorf("%q became %q", test.given, got)
		}
	}
}
