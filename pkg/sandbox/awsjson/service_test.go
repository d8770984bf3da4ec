package awsjson_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/awsjson"
)

// service has one operation, Echo.
func service(echo awsjson.Operation, faults sandbox.Faults) *awsjson.Service {
	return &awsjson.Service{
		Target:     "Test_20260101",
		Operations: map[string]awsjson.Operation{"Echo": echo},
		Unknown:    &awsjson.Error{Type: "test#Unknown", Message: "no such operation"},
		Throttle: []*awsjson.Error{
			{Status: 403, Type: "test#Throttled", Message: "slow down", QueryCode: "Throttled;Sender"},
			{Status: 400, Type: "test#TooFast", Message: "slow down", QueryCode: "TooFast;Sender"},
		},
		Failures: []*awsjson.Error{{Status: 500, Type: "test#Internal", Message: "try again", QueryCode: "Internal;Receiver"}},
		Faults:   faults,
	}
}

// echo returns the body of the call.
func echo(call awsjson.Call) (any, error) { return json.RawMessage(call.Body), nil }

// always returns one fault for every call.
func always(fault sandbox.Fault) sandbox.Faults {
	return sandbox.FaultFunc(func(string) sandbox.Fault { return fault })
}

// request returns a call of the operation.
func request(ctx context.Context, target, body string) *http.Request {
	made, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://service.test/", strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	made.Header.Set("X-Amz-Target", target)
	return made
}

// answer is a response as a caller sees it.
type answer struct {
	status int
	header http.Header
	body   string
}

// send sends the request; an answer whose body is not whole is an error too.
func send(from *awsjson.Service, sent *http.Request) (answer, error) {
	response, err := sandbox.Transport{Handler: from}.RoundTrip(sent)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(body)}, err
}

func must(t *testing.T, from *awsjson.Service, sent *http.Request) answer {
	t.Helper()
	got, err := send(from, sent)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	typed := &awsjson.Error{
		Type: "test#Canceled", Message: "because <of> it", QueryCode: "Canceled;Sender",
		Fields: map[string]any{"CancellationReasons": []any{map[string]any{"Code": "None"}}},
	}
	const canceled = `{"CancellationReasons":[{"Code":"None"}],"__type":"test#Canceled","message":"because \u003cof\u003e it"}`
	for name, test := range map[string]struct {
		operation awsjson.Operation
		status    int
		queryCode string
		body      string
	}{
		"output":          {echo, 200, "", `{"a":1}`},
		"no output":       {func(awsjson.Call) (any, error) { return nil, nil }, 200, "", `{}`},
		"a typed error":   {func(awsjson.Call) (any, error) { return nil, typed }, 400, "Canceled;Sender", canceled},
		"a wrapped one":   {func(awsjson.Call) (any, error) { return nil, fmt.Errorf("transact: %w", typed) }, 400, "Canceled;Sender", canceled},
		"with a status":   {func(awsjson.Call) (any, error) { return nil, &awsjson.Error{Status: 404, Type: "test#Gone"} }, 404, "", `{"__type":"test#Gone","message":""}`},
		"error over all":  {func(awsjson.Call) (any, error) { return map[string]int{"a": 1}, typed }, 400, "Canceled;Sender", canceled},
		"any other error": {func(awsjson.Call) (any, error) { return nil, errors.New("a defect") }, 500, "Internal;Receiver", `{"__type":"test#Internal","message":"a defect"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := must(t, service(test.operation, nil), request(t.Context(), "Test_20260101.Echo", `{"a":1}`))
			if got.status != test.status || got.body != test.body || got.header.Get("X-Amzn-Query-Error") != test.queryCode {
				t.Errorf("got %d %q %s", got.status, got.header.Get("X-Amzn-Query-Error"), got.body)
			}
			wantFramed(t, got)
		})
	}
	if got := typed.Error(); got != "test#Canceled: because <of> it" {
		t.Errorf("as an error it is %q", got)
	}
}

// wantFramed checks the headers that describe the body; DynamoDB's client checks the
// sum too.
func wantFramed(t *testing.T, got answer) {
	t.Helper()
	for name, want := range map[string]string{
		"Content-Type":   "application/x-amz-json-1.0",
		"Content-Length": strconv.Itoa(len(got.body)),
		"X-Amz-Crc32":    strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(got.body))), 10),
	} {
		if value := got.header.Get(name); value != want {
			t.Errorf("%s is %q, want %q", name, value, want)
		}
	}
}

// TestUnknownTarget meets no fault and no operation.
func TestUnknownTarget(t *testing.T) {
	t.Parallel()
	from := service(
		func(awsjson.Call) (any, error) { t.Error("the operation was called"); return nil, nil },
		sandbox.FaultFunc(func(operation string) sandbox.Fault { t.Errorf("a fault for %q", operation); return sandbox.Fault{} }),
	)
	for _, target := range []string{"", "Echo", "Test_20260101.", "Test_20260101.echo", "Test_20260101.Echo.Echo", "Other.Echo", ".Echo"} {
		got := must(t, from, request(t.Context(), target, `{}`))
		if got.status != 400 || got.body != `{"__type":"test#Unknown","message":"no such operation"}` {
			t.Errorf("%q: got %d %s", target, got.status, got.body)
		}
		wantFramed(t, got)
	}
	get := request(t.Context(), "Test_20260101.Echo", `{}`)
	get.Method = http.MethodGet
	if got := must(t, from, get); got.status != 400 {
		t.Errorf("GET: got %d %s", got.status, got.body)
	}
}

func TestBodyTooLarge(t *testing.T) {
	t.Parallel()
	from := service(func(awsjson.Call) (any, error) { t.Error("the operation was called"); return nil, nil }, nil)
	sent := request(t.Context(), "Test_20260101.Echo", "")
	sent.Body = io.NopCloser(bytes.NewReader(make([]byte, 17<<20+1)))
	if got := must(t, from, sent); got.status != 500 {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

// TestFaults: what the caller sees, whether the call has its effect, and which
// faults that are passed to the operation.
func TestFaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault  sandbox.Kind
		status int  // 0: the connection is cut
		effect bool // at once
	}{
		"none":       {sandbox.None, 200, true},
		"throttle":   {sandbox.Throttle, 403, false},
		"refuse":     {sandbox.Refuse, 500, false},
		"lose reply": {sandbox.LoseReply, 0, true},
		"cut body":   {sandbox.CutBody, 200, true},
		"partial":    {sandbox.Partial, 200, true},
		"duplicate":  {sandbox.Duplicate, 200, true},
		"late":       {sandbox.DeliverLate, 200, true},
		"broken":     {sandbox.EffectThenError, 500, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var passed []sandbox.Kind
			got, err := send(service(func(call awsjson.Call) (any, error) {
				passed = append(passed, call.Fault.Kind)
				return echo(call)
			}, always(sandbox.Fault{Kind: test.fault})), request(t.Context(), "Test_20260101.Echo", `{"a":1}`))

			if effect := len(passed) == 1 && passed[0] == test.fault; effect != test.effect || len(passed) > 1 {
				t.Errorf("the operation was called with %v", passed)
			}
			if cut := test.status == 0 || test.fault == sandbox.CutBody; cut != errors.Is(err, sandbox.ErrConnectionCut) {
				t.Errorf("got %v", err)
			}
			if got.status != test.status {
				t.Errorf("got %d %s", got.status, got.body)
			}
			switch {
			case test.fault == sandbox.CutBody:
				// The headers speak of the whole body: a client that trusts them notices.
				if got.body != `{"a` || got.header.Get("Content-Length") != "7" {
					t.Errorf("got %q of %s bytes", got.body, got.header.Get("Content-Length"))
				}
			case err == nil:
				wantFramed(t, got)
			}
		})
	}
}

// TestThrottlingErrors: the fault chooses among them.
func TestThrottlingErrors(t *testing.T) {
	t.Parallel()
	for choice, want := range map[uint64]string{0: "test#Throttled", 1: "test#TooFast", 2: "test#Throttled", math.MaxUint64: "test#TooFast"} {
		from := service(echo, always(sandbox.Fault{Kind: sandbox.Throttle, Choice: choice}))
		if got := must(t, from, request(t.Context(), "Test_20260101.Echo", `{}`)); !strings.Contains(got.body, want) {
			t.Errorf("choice %d: got %s, want a %s", choice, got.body, want)
		}
	}
}

// With and without an effect.
func TestFailures(t *testing.T) {
	t.Parallel()
	for choice, want := range map[uint64]string{
		0: `500 {"__type":"test#Internal","message":"try again"}`,
		1: `503 {"message":"unavailable"}`,
		2: `500 {"__type":"test#Internal","message":"try again"}`,
	} {
		for _, kind := range []sandbox.Kind{sandbox.Refuse, sandbox.EffectThenError} {
			from := service(echo, always(sandbox.Fault{Kind: kind, Choice: choice}))
			from.Failures = append(from.Failures, &awsjson.Error{Status: 503, Message: "unavailable"})
			got := must(t, from, request(t.Context(), "Test_20260101.Echo", `{}`))
			if answered := fmt.Sprintf("%d %s", got.status, got.body); answered != want {
				t.Errorf("choice %d: got %s, want %s", choice, answered, want)
			}
		}
	}
}

// TestCutError: an error can be cut as well.
func TestCutError(t *testing.T) {
	t.Parallel()
	failing := func(awsjson.Call) (any, error) { return nil, &awsjson.Error{Type: "test#Gone"} }
	got, err := send(service(failing, always(sandbox.Fault{Kind: sandbox.CutBody})), request(t.Context(), "Test_20260101.Echo", `{}`))
	if !errors.Is(err, sandbox.ErrConnectionCut) || got.status != 400 || json.Valid([]byte(got.body)) {
		t.Errorf("got %d %q, %v", got.status, got.body, err)
	}
}

// TestDelay comes before anything else, throttling included, and is not cut short by
// a caller who leaves.
func TestDelay(t *testing.T) {
	t.Parallel()
	for _, kind := range []sandbox.Kind{sandbox.None, sandbox.Throttle} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			must(t, service(echo, always(sandbox.Fault{Kind: kind, Delay: time.Minute})), request(t.Context(), "Test_20260101.Echo", `{}`))
			if took := time.Since(start); took != time.Minute {
				t.Errorf("kind %d: it took %s", kind, took)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		var at time.Time
		from := service(func(call awsjson.Call) (any, error) {
			at = time.Now()
			if call.Context.Err() == nil {
				t.Error("the operation does not see that its caller left")
			}
			return echo(call)
		}, always(sandbox.Fault{Delay: time.Minute}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := send(from, request(ctx, "Test_20260101.Echo", `{}`)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if at.Sub(start) != time.Minute {
			t.Errorf("the operation was called after %s", at.Sub(start))
		}
	})
}

// TestApplyLate cuts at once; the effect comes in its time and without the caller.
func TestApplyLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var bodies []string
		var at time.Time
		from := service(func(call awsjson.Call) (any, error) {
			bodies, at = append(bodies, string(call.Body)), time.Now()
			if err := call.Context.Err(); err != nil {
				t.Errorf("its context has ended: %v", err)
			}
			return nil, errors.New("nobody hears this")
		}, always(sandbox.Fault{Kind: sandbox.ApplyLate, Delay: time.Second, Late: time.Minute}))

		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		_, err := send(from, request(ctx, "Test_20260101.Echo", `{"a":1}`))
		cancel()
		if !errors.Is(err, sandbox.ErrConnectionCut) || time.Since(start) != time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(bodies) != 1 || bodies[0] != `{"a":1}` || at.Sub(start) != time.Minute+time.Second {
			t.Errorf("called after %s with %v", at.Sub(start), bodies)
		}
	})
}

// TestLostReplyWithoutCaller: the effect does not depend on a caller who waits.
func TestLostReplyWithoutCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		effect := false
		from := service(func(call awsjson.Call) (any, error) {
			select {
			case <-call.Context.Done():
			case <-time.After(time.Minute):
				effect = true
			}
			return nil, nil
		}, always(sandbox.Fault{Kind: sandbox.LoseReply}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := send(from, request(ctx, "Test_20260101.Echo", `{}`)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if !effect {
			t.Error("the call had no effect")
		}
	})
}

// TestOutputThatCannotBeEncoded is a defect of the fake, not an answer.
func TestOutputThatCannotBeEncoded(t *testing.T) {
	t.Parallel()
	defer func() {
		if recovered := recover(); !strings.Contains(fmt.Sprint(recovered), "cannot be encoded") {
			t.Errorf("got %v", recovered)
		}
	}()
	from := service(func(awsjson.Call) (any, error) { return func() {}, nil }, nil)
	from.ServeHTTP(discard{}, request(t.Context(), "Test_20260101.Echo", `{}`))
}

// discard is a ResponseWriter for a handler that is called in the test's goroutine.
type discard struct{ http.ResponseWriter }

func (discard) Header() http.Header { return http.Header{} }

func ExampleService() {
	greeter := &awsjson.Service{
		Target: "Greeter_20260101",
		Operations: map[string]awsjson.Operation{
			"Greet": func(call awsjson.Call) (any, error) {
				var input struct{ Name string }
				if err := json.Unmarshal(call.Body, &input); err != nil || input.Name == "" {
					return nil, &awsjson.Error{Type: "greeter#ValidationException", Message: "Name is missing"}
				}
				return map[string]string{"Greeting": "Hello " + input.Name}, nil
			},
		},
		Unknown:  &awsjson.Error{Type: "greeter#UnknownOperationException"},
		Throttle: []*awsjson.Error{{Type: "greeter#ThrottlingException"}},
		Failures: []*awsjson.Error{{Status: http.StatusInternalServerError, Type: "greeter#InternalServerError"}},
	}
	for _, input := range []string{`{"Name":"Ada"}`, `{}`} {
		got, err := send(greeter, request(context.Background(), "Greeter_20260101.Greet", input))
		fmt.Println(got.status, got.body, err)
	}
	// Output:
	// 200 {"Greeting":"Hello Ada"} <nil>
	// 400 {"__type":"greeter#ValidationException","message":"Name is missing"} <nil>
}
