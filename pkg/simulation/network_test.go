package simulation_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing/iotest"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
)

// errReset is a connection that ended without an answer.
var errReset = errors.New("simulation: connection reset by peer")

// link is the network between a process and a service, as an http.RoundTripper. A request that was
// sent arrives, even if its sender has crashed or gave up.
type link struct {
	from    *process
	service string
	handler http.Handler
}

// callFaults holds the faults of one call.
type callFaults struct {
	requestLatency, responseLatency time.Duration

	offset       time.Duration // of a crash or pause, so that nothing else happens at the same time
	refused      bool          // no connection
	lostRequest  bool
	lostResponse bool
	pauseBefore  time.Duration // the process pauses before it sends
	pauseAfter   time.Duration // the process pauses before it receives the answer

	crashBefore      bool
	crashAfterSend   bool
	crashAfterAnswer bool
}

// drawFaults draws the faults of a call by its description.
func (l link) drawFaults(call string) callFaults {
	env, rates := l.from.env, l.from.env.scenario.faults
	random := env.rng.rand(l.from.name, l.service, call, strconv.Itoa(l.from.count(l.service+call)))
	latency := env.scenario.latencies[l.service]
	f := callFaults{
		requestLatency:  between(random, latency.min, latency.max),
		responseLatency: between(random, latency.min, latency.max),
		offset:          between(random, 1, time.Microsecond),
	}
	if env.faultsOff.Load() {
		return f
	}
	switch draw := random.Float64(); {
	case draw < rates.refused:
		f.refused = true
	case draw < rates.refused+rates.lostRequest:
		f.lostRequest = true
	case draw < rates.refused+rates.lostRequest+rates.lostResponse:
		f.lostResponse = true
	}
	if !l.from.unreliable {
		return f
	}
	switch draw := random.Float64(); {
	case draw < rates.crash/3:
		f.crashBefore = true
	case draw < rates.crash*2/3:
		f.crashAfterSend = true
	case draw < rates.crash:
		f.crashAfterAnswer = true
	}
	if chance(random, rates.pause) {
		pause := between(random, 0, env.scenario.maxPause)
		switch {
		case coin(random):
			f.pauseAfter = pause
		case l.service == site:
			// The clock was read: the call takes effect within the maximum effect delay, or never.
			f.pauseBefore = pause % env.scenario.margin
		default:
			f.pauseBefore = pause
		}
	}
	if strings.HasPrefix(call, "SendMessageBatch "+deadLetterName) && chance(random, rates.deadLetterFailure) {
		f.refused = true
	}
	return f
}

// RoundTrip implements http.RoundTripper.
func (l link) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := readBody(request)
	if err != nil {
		return nil, err
	}
	if l.service == site && l.from.unreliable {
		l.from.env.recorder.recordCall(l.from.name, request)
	}
	call := describe(request, body)
	poll := strings.HasPrefix(call, "ReceiveMessage ")
	l.from.awaitResume(call)
	if l.from.hasCrashed() {
		return nil, errCrashed
	}
	faults := l.drawFaults(call)
	if faults.crashBefore || faults.pauseBefore > 0 {
		time.Sleep(faults.offset)
		l.logf(call, "is about to be sent")
	}
	if faults.crashBefore {
		l.from.crash()
		return nil, errCrashed
	}
	if faults.pauseBefore > 0 {
		l.from.pause(faults.pauseBefore)
		l.from.awaitResume(call)
	}
	if faults.refused {
		time.Sleep(faults.requestLatency)
		l.logf(call, "finds no connection")
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	ctx, cancel := context.WithCancel(request.Context())
	defer cancel()
	sending := context.WithoutCancel(ctx)
	if poll {
		sending = ctx // only a poll ends at the service when its caller gives up
	}
	answers := l.send(request.Clone(sending), body, faults)
	if faults.crashAfterSend {
		time.Sleep(faults.offset)
		l.logf(call, "was sent")
		l.from.crash()
		return nil, errCrashed
	}
	var a answer
	select {
	case a = <-answers:
	case <-ctx.Done():
		a.err = ctx.Err()
	case <-l.from.crashed:
		return nil, errCrashed
	}
	if faults.pauseAfter > 0 || faults.crashAfterAnswer {
		time.Sleep(faults.offset)
	}
	if faults.pauseAfter > 0 {
		l.from.pause(faults.pauseAfter)
	}
	l.from.awaitResume(call)
	if l.service == site && a.err == nil && request.Method == http.MethodPost {
		l.refuseAsProxy(call, a.response)
	}
	if faults.crashAfterAnswer {
		l.logf(call, "%s", a)
		l.from.crash()
	}
	if l.from.hasCrashed() {
		return nil, errCrashed
	}
	if l.service == site && a.err == nil {
		l.recordAnswer(request, a.response)
	}
	if draft, ok := writtenRecord(call); ok && a.err == nil && a.response.StatusCode == http.StatusOK {
		l.from.env.recorder.recordCommit(l.from.name, draft)
	}
	if empty := int64(len("{}")); !poll || a.err != nil || a.response.ContentLength > empty {
		l.logf(call, "%s", a)
	}
	return a.response, a.err
}

// proxyRefusals are answers of a proxy in front of Chargebee. Those with a code are Chargebee's own, to a
// call that the proxy sent twice.
var proxyRefusals = []struct {
	status int
	body   string
}{
	{http.StatusBadRequest, "<html>Bad Request</html>"},
	{http.StatusForbidden, "<html>Forbidden</html>"},
	{http.StatusRequestEntityTooLarge, "<html>Too Large</html>"},
	{http.StatusNotFound, `{"message":"gone","type":"invalid_request","api_error_code":"resource_not_found"}`},
	{http.StatusConflict, `{"message":"busy","type":"invalid_request","api_error_code":"invalid_state_for_request"}`},
}

// refuseAsProxy replaces the answer to some executed writes by a refusal.
func (l link) refuseAsProxy(call string, response *http.Response) {
	env := l.from.env
	rate := env.scenario.faults.proxyRefusal
	if rate == 0 || !l.from.unreliable || env.faultsOff.Load() || response.StatusCode != http.StatusOK {
		return
	}
	random := env.rng.rand("proxy", l.from.name, call, strconv.Itoa(l.from.count("proxy"+call)))
	if !chance(random, rate) {
		return
	}
	refusal := proxyRefusals[random.IntN(len(proxyRefusals))]
	_ = response.Body.Close()
	response.StatusCode, response.ContentLength = refusal.status, int64(len(refusal.body))
	response.Body = io.NopCloser(strings.NewReader(refusal.body))
}

// writtenRecord returns the draft whose record a call to DynamoDB writes.
func writtenRecord(call string) (draft string, ok bool) {
	fields := strings.Fields(call)
	if len(fields) < 2 || fields[0] != "PutItem" && fields[0] != "TransactWriteItems" {
		return "", false
	}
	return fields[1], true
}

// recordAnswer records an answer of Chargebee before the process gets it.
func (l link) recordAnswer(request *http.Request, response *http.Response) {
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	response.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), iotest.ErrReader(cmp.Or(err, io.EOF))))
	if l.from.unreliable {
		l.from.env.recorder.recordAnswer(l.from.name, request, response.StatusCode, body)
	}
}

func (l link) logf(call, format string, args ...any) {
	l.from.env.timeline.logf(l.from.name, "→ "+l.service+" "+call+": "+format, args...)
}

type answer struct {
	response *http.Response
	err      error
}

func (a answer) String() string {
	if a.err != nil {
		return a.err.Error()
	}
	return strconv.Itoa(a.response.StatusCode)
}

// send sends the request and returns the channel of its answer.
func (l link) send(request *http.Request, body []byte, faults callFaults) <-chan answer {
	request.Body = io.NopCloser(bytes.NewReader(body))
	answers := make(chan answer, 1)
	go func() {
		time.Sleep(faults.requestLatency)
		a := answer{err: errReset}
		if !faults.lostRequest {
			a.response, a.err = sandbox.Transport{Handler: l.handler}.RoundTrip(request) //nolint:bodyclose // it is in memory
		}
		time.Sleep(faults.responseLatency)
		if faults.lostResponse {
			a = answer{err: errReset}
		}
		answers <- a
	}()
	return answers
}

func readBody(request *http.Request) ([]byte, error) {
	if request.Body == nil {
		return nil, nil
	}
	defer func() { _ = request.Body.Close() }()
	return io.ReadAll(request.Body)
}

// webhookID matches the id of the event in the body of a webhook.
var webhookID = regexp.MustCompile(`^{"id":"(ev_\w+)"`)

// awsInput is the part of an AWS call that its description shows.
type awsInput struct {
	QueueURL      string `json:"QueueUrl"`
	ReceiptHandle string
	Entries       []json.RawMessage
	Key, Item     item
	TransactItems []map[string]struct{ Key, Item item }
}

// item is an item of a table, or its key.
type item map[string]map[string]any

// id returns the id of an event or of a ledger item; empty: it has none.
func (i item) id() string {
	attribute := "invoice_id"
	if _, isEvent := i["event_id"]; isEvent {
		attribute = "event_id"
	}
	id, _ := i[attribute]["S"].(string)
	return id
}

// describe returns the operation of a call and what it is about. It is the name of the draws of
// the call.
func describe(request *http.Request, body []byte) string {
	_, operation, ok := strings.Cut(request.Header.Get("X-Amz-Target"), ".")
	if !ok {
		return describeHTTP(request, body)
	}
	var input awsInput
	_ = json.Unmarshal(body, &input)
	parts := []string{operation}
	if input.QueueURL != "" {
		parts = append(parts, input.QueueURL[strings.LastIndexByte(input.QueueURL, '/')+1:])
	}
	if input.ReceiptHandle != "" {
		parts = append(parts, input.ReceiptHandle[max(0, len(input.ReceiptHandle)-8):])
	}
	if len(input.Entries) > 0 {
		parts = append(parts, "×"+strconv.Itoa(len(input.Entries)))
	}
	if id := input.Key.id() + input.Item.id(); id != "" {
		parts = append(parts, id)
	}
	if len(input.TransactItems) > 0 {
		for _, write := range input.TransactItems[0] {
			parts = append(parts, write.Key.id()+write.Item.id())
		}
		parts = append(parts, "+"+strconv.Itoa(len(input.TransactItems)-1))
	}
	return strings.Join(parts, " ")
}

// describeHTTP describes a call to Chargebee, or a webhook.
func describeHTTP(request *http.Request, body []byte) string {
	description := request.Method + " " + strings.TrimPrefix(request.URL.Path, "/api/v2")
	if since := request.URL.Query().Get("updated_at[after]"); since != "" {
		description += " since " + since
	}
	form, _ := url.ParseQuery(string(body))
	if text := cmp.Or(form.Get("description"), form.Get("item_price[item_price_id]")); text != "" {
		description += " " + text
	}
	if id := webhookID.FindSubmatch(body); id != nil {
		description += " " + string(id[1])
	}
	return description
}
