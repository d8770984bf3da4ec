package sandbox_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
)

// call sends a request to the handler.
func call(ctx context.Context, handler http.HandlerFunc) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://service.test:8000/a%2Fb?x=1", strings.NewReader("hello"))
	if err != nil {
		return nil, err
	}
	return sandbox.Transport{Handler: handler}.RoundTrip(request)
}

// fail sends a request that gets no answer.
func fail(ctx context.Context, handler http.HandlerFunc) error {
	response, err := call(ctx, handler)
	if err == nil {
		_ = response.Body.Close()
	}
	return err
}

func TestRequestArrivesWhole(t *testing.T) {
	t.Parallel()
	client := http.Client{Transport: sandbox.Transport{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprint(w, r.Method, " ", r.RequestURI, " ", r.Host, " ", r.Header.Get("X-Test"), " ", r.ContentLength, " ", string(body), " ", err)
	})}}
	for name, test := range map[string]struct {
		body io.Reader
		host string
		want string
	}{
		"a body of known length":   {strings.NewReader("hello"), "", "PUT /a%2Fb?x=1 service.test:8000 yes 5 hello <nil>"},
		"a body of unknown length": {iotest.OneByteReader(strings.NewReader("hello")), "", "PUT /a%2Fb?x=1 service.test:8000 yes 5 hello <nil>"},
		"no body":                  {nil, "", "PUT /a%2Fb?x=1 service.test:8000 yes 0  <nil>"},
		"another host":             {nil, "other.test", "PUT /a%2Fb?x=1 other.test yes 0  <nil>"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://service.test:8000/a%2Fb?x=1", test.body)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Test", "yes")
		request.Host = cmp.Or(test.host, request.Host)
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, response); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func read(t *testing.T, response *http.Response) string {
	t.Helper()
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestRequestStaysTheCallers: what a handler changes of it is its own copy.
func TestRequestStaysTheCallers(t *testing.T) {
	t.Parallel()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://service.test/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Test", "mine")
	response, err := sandbox.Transport{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r.Header.Set("X-Test", "theirs")
		r.URL.Path = "/theirs"
	})}.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if request.Header.Get("X-Test") != "mine" || request.URL.Path != "/" || request.RequestURI != "" || response.Request != request {
		t.Errorf("the request is now %+v", request)
	}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    string // status, header X-Test, length, body
	}{
		"nothing": {func(http.ResponseWriter, *http.Request) {}, "200 OK [] 0 "},
		"a body": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "one ")
			fmt.Fprint(w, "two")
		}, "200 OK [] 7 one two"},
		"headers and a status": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Add("X-Test", "a")
			w.Header().Add("X-Test", "b")
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, "slow down")
		}, "429 Too Many Requests [a b] 9 slow down"},
		"too late": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusConflict)
			w.Header().Set("X-Test", "late")
			w.WriteHeader(http.StatusOK)
		}, "409 Conflict [] 0 "},
		"late by a write": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "x")
			w.Header().Set("X-Test", "late")
			w.WriteHeader(http.StatusTeapot)
		}, "200 OK [] 1 x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			response, err := call(t.Context(), test.handler)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(response.Status, " ", response.Header.Values("X-Test"), " ", response.ContentLength, " ", read(t, response)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestConnectionCut(t *testing.T) {
	t.Parallel()
	err := fail(t.Context(), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Test", "never seen")
		panic(http.ErrAbortHandler)
	})
	if !errors.Is(err, sandbox.ErrConnectionCut) {
		t.Errorf("got %v", err)
	}
}

// TestHalfABody: the status, the headers and what was written arrive; the end is an
// error, never an early end of file.
func TestHalfABody(t *testing.T) {
	t.Parallel()
	for name, written := range map[string]string{"half": "half of", "only headers": ""} {
		response, err := call(t.Context(), func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "14")
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprint(w, written)
			panic(http.ErrAbortHandler)
		})
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		got, err := io.ReadAll(response.Body)
		if !errors.Is(err, sandbox.ErrConnectionCut) || string(got) != written {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		if response.StatusCode != http.StatusAccepted || response.ContentLength != -1 {
			t.Errorf("%s: got status %d, length %d", name, response.StatusCode, response.ContentLength)
		}
	}
}

// TestCallerLeaves: the caller gets its reason at once, and what the handler has
// begun takes effect nevertheless.
func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	lost := errors.New("the lease is lost")
	synctest.Test(t, func(t *testing.T) {
		var effect time.Time
		var seen error
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(lost) })
		start := time.Now()
		err := fail(ctx, func(_ http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Minute)
			effect, seen = time.Now(), context.Cause(r.Context())
		})
		if !errors.Is(err, lost) || time.Since(start) != time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if effect.Sub(start) != time.Minute || !errors.Is(seen, lost) {
			t.Errorf("the effect came after %s, the handler saw %v", effect.Sub(start), seen)
		}
	})
}

func TestDeadlineOfTheCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := http.Client{
			Transport: sandbox.Transport{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Hour) })},
			Timeout:   30 * time.Second,
		}
		start := time.Now()
		response, err := client.Get("http://service.test/")
		if err == nil {
			response.Body.Close()
		}
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 30*time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		time.Sleep(time.Hour) // the handler ends
	})
}

// TestCallerHadLeft: a call whose context has ended is not sent.
func TestCallerHadLeft(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := fail(ctx, func(http.ResponseWriter, *http.Request) { t.Error("the call was sent") })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// closed notes that a body was closed.
type closed struct {
	io.Reader

	times int
}

func (c *closed) Close() error {
	c.times++
	return nil
}

// TestBodyIsClosed whatever happens to the call, as of every RoundTripper.
func TestBodyIsClosed(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk error")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		ctx  context.Context
		body io.Reader
		want error
	}{
		"sent":       {t.Context(), bytes.NewReader(nil), nil},
		"unreadable": {t.Context(), iotest.ErrReader(broken), broken},
		"not sent":   {gone, bytes.NewReader(nil), context.Canceled},
	} {
		body := &closed{Reader: test.body}
		request, err := http.NewRequestWithContext(test.ctx, http.MethodPost, "http://service.test/", body)
		if err != nil {
			t.Fatal(err)
		}
		response, err := sandbox.Transport{Handler: http.NotFoundHandler()}.RoundTrip(request)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: got %v", name, err)
		}
		if err == nil {
			response.Body.Close()
		}
		if body.times == 0 {
			t.Errorf("%s: the body was not closed", name)
		}
	}
}

// TestPanicEndsTheProgram: a defect of a fake must not pass for a cut
// connection. It runs in a process of its own.
func TestPanicEndsTheProgram(t *testing.T) {
	t.Parallel()
	const variable = "SANDBOX_TEST_PANIC"
	if os.Getenv(variable) != "" {
		_ = fail(t.Context(), func(http.ResponseWriter, *http.Request) { panic("a defect of the fake") })
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self, "-test.run=^TestPanicEndsTheProgram$")
	command.Env = append(os.Environ(), variable+"=1")
	output, err := command.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(string(output), "a defect of the fake") {
		t.Errorf("got %v:\n%s", err, output)
	}
}

func ExampleTransport() {
	service := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/cut" {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, "hello from ", r.URL.Path)
	})
	client := http.Client{Transport: sandbox.Transport{Handler: service}}

	response, err := client.Get("http://service.test/greeting")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	fmt.Println(response.Status, string(body), err)

	response, err = client.Get("http://service.test/cut")
	if err == nil {
		defer response.Body.Close()
	}
	fmt.Println(errors.Is(err, sandbox.ErrConnectionCut))
	// Output:
	// 200 OK hello from /greeting <nil>
	// true
}
