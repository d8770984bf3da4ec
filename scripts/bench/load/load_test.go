package load_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/event"
	"github.com/billable-events/billable/scripts/bench/load"
)

// TestBody is a webhook that the receiver takes, of the size of a usual one.
func TestBody(t *testing.T) {
	t.Parallel()
	invoices := map[string]bool{}
	for number := range 100 {
		id := load.EventID(7, number)
		body := load.Body(id)
		got, err := event.Parse([]byte(body))
		if err != nil || got.ID != id || got.Type != event.PendingInvoiceCreated || len(got.Invoice.LineItems) == 0 {
			t.Fatalf("%+v, %v", got, err)
		}
		if len(body) != load.BodySize || !json.Valid([]byte(body)) {
			t.Fatalf("%d bytes: %s", len(body), body)
		}
		if !load.Genuine(id, body) || load.Genuine(load.EventID(7, number+1), body) || load.Genuine(id, body+" ") {
			t.Fatal("what is genuine is that body alone")
		}
		if !load.Genuine(id, body+strings.Repeat(" ", 1_000_000-len(body))) {
			t.Fatal("or followed by spaces up to 1 MB")
		}
		invoices[got.Invoice.ID] = true
	}
	if len(invoices) != 100 || load.EventID(1, 2) == load.EventID(2, 1) {
		t.Errorf("%d invoices", len(invoices))
	}
}

// target takes webhooks as a receiver does, and remembers the most connections at once.
type target struct {
	*httptest.Server

	mu   sync.Mutex
	seen map[string]int
}

func newTarget(t *testing.T, answer func(number int, w http.ResponseWriter, eventID string)) *target {
	t.Helper()
	target := &target{seen: map[string]int{}}
	target.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		got, invalid := event.Parse(body)
		username, password, _ := r.BasicAuth()
		if err != nil || invalid != nil || username != "user" || password != "pass" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%v, %v, %s", err, invalid, r.Header)
		}
		target.mu.Lock()
		number := len(target.seen)
		target.seen[got.ID]++
		target.mu.Unlock()
		answer(number, w, got.ID)
	}))
	t.Cleanup(target.Close)
	return target
}

func queued(_ int, w http.ResponseWriter, eventID string) {
	_, _ = fmt.Fprintf(w, `{"status":"queued","event_id":%q}`, eventID)
}

// attack has the generator's process do a plan.
func attack(t *testing.T, plan load.Plan) load.Outcome {
	t.Helper()
	plan.Username, plan.Password, plan.Attack, plan.Timeout = "user", "pass", 3, 5*time.Second
	var in, out bytes.Buffer
	orders := json.NewEncoder(&in)
	_ = orders.Encode(load.Order{Prepare: &plan})
	_ = orders.Encode(load.Order{})
	if err := load.Serve(&in, &out); err != nil {
		t.Fatal(err)
	}
	replies := json.NewDecoder(&out)
	var reply struct {
		Answer load.Outcome
		Error  string
	}
	for range 2 {
		reply.Error = ""
		if err := replies.Decode(&reply); err != nil || reply.Error != "" {
			t.Fatal(err, reply.Error)
		}
	}
	return reply.Answer
}

// TestShapes sends every request once and takes each answer home.
func TestShapes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		plan load.Plan
		want int
	}{
		"open":   {load.Plan{Shape: load.Open, Rate: 200, Length: 300 * time.Millisecond}, 60},
		"closed": {load.Plan{Shape: load.Closed, Connections: 5, Length: time.Minute, Most: 40}, 40},
		"crowd":  {load.Plan{Shape: load.Crowd, Connections: 30}, 30},
		"padded": {load.Plan{Shape: load.Crowd, Connections: 3, Padded: true}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := newTarget(t, queued)
			test.plan.URL = target.URL + "/webhooks/chargebee"
			got := attack(t, test.plan)
			if len(got.Answers) != test.want || len(target.seen) != test.want || got.Took <= 0 {
				t.Fatalf("%d answers, %d events", len(got.Answers), len(target.seen))
			}
			answered := map[string]bool{}
			for _, answer := range got.Answers {
				if answer.Status != http.StatusOK || answer.Took <= 0 || answer.Took > 5*time.Second || answer.Problem != "" {
					t.Errorf("%+v", answer)
				}
				answered[answer.EventID] = true
			}
			for i := range test.want {
				if id := load.EventID(3, i); !answered[id] || target.seen[id] != 1 {
					t.Errorf("event %s came %d times", id, target.seen[id])
				}
			}
		})
	}
}

// TestRefusedUnread takes an answer home that comes before the webhook was read.
func TestRefusedUnread(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { // net/http ends the connection
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	for _, answer := range attack(t, load.Plan{Shape: load.Crowd, URL: server.URL, Connections: 20, Padded: true}).Answers {
		if answer.Status != http.StatusServiceUnavailable || !answer.RetryAfter || answer.Problem != "" {
			t.Errorf("%+v", answer)
		}
	}
}

// TestOpenIsOpen: requests leave although the ones before have no answer, and the time
// that they wait counts.
func TestOpenIsOpen(t *testing.T) {
	t.Parallel()
	target := newTarget(t, func(number int, w http.ResponseWriter, eventID string) {
		if number < 20 {
			<-time.After(300 * time.Millisecond)
		}
		queued(number, w, eventID)
	})
	got := attack(t, load.Plan{Shape: load.Open, URL: target.URL, Rate: 100, Length: 400 * time.Millisecond})
	slow := 0
	var latest time.Duration
	for _, answer := range got.Answers {
		latest = max(latest, answer.Due)
		if answer.Took >= 300*time.Millisecond {
			slow++
		}
	}
	if len(got.Answers) != 40 || slow < 20 || latest != 390*time.Millisecond || got.Took > 2*time.Second {
		t.Errorf("%d answers, %d slow ones, the last due at %s, all after %s", len(got.Answers), slow, latest, got.Took)
	}
}

// TestAnswers that are no success.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer  func(w http.ResponseWriter, eventID string)
		status  int
		retry   bool
		problem string // but for the open load, which does not know which event it was
	}{
		"refused": {func(w http.ResponseWriter, _ string) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, 503, true, ""},
		"without when": {func(w http.ResponseWriter, _ string) { w.WriteHeader(http.StatusServiceUnavailable) }, 503, false, ""},
		"a date": {func(w http.ResponseWriter, _ string) {
			w.Header().Set("Retry-After", "soon")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, 503, false, ""},
		"unreadable":    {func(w http.ResponseWriter, _ string) { _, _ = w.Write([]byte("{")) }, 200, false, "the answer cannot be read"},
		"cut":           {func(http.ResponseWriter, string) { panic(http.ErrAbortHandler) }, 0, false, "EOF"},
		"for the wrong": {func(w http.ResponseWriter, _ string) { queued(0, w, "ev_other") }, 200, false, "answered for event ev_other"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, plan := range []load.Plan{
				{Shape: load.Open, Rate: 100, Length: 10 * time.Millisecond},
				{Shape: load.Closed, Connections: 1, Length: time.Minute, Most: 2},
			} {
				target := newTarget(t, func(_ int, w http.ResponseWriter, eventID string) { test.answer(w, eventID) })
				plan.URL = target.URL
				for _, got := range attack(t, plan).Answers {
					if got.Status != test.status || got.RetryAfter != test.retry {
						t.Errorf("%s: %+v", plan.Shape, got)
					}
					blind := plan.Shape == load.Open && got.EventID != ""
					if !blind && (!strings.Contains(got.Problem, test.problem) || (got.Problem == "") != (test.problem == "")) {
						t.Errorf("%s: %+v", plan.Shape, got)
					}
				}
			}
		})
	}
}

// TestPlansThatAreNone are refused, and do not end the process.
func TestPlansThatAreNone(t *testing.T) {
	t.Parallel()
	in := strings.NewReader(`{"prepare":{"shape":"round"}} {} {"prepare":{"shape":"open","rate":0}} {"prepare":{"shape":"crowd","connections":1,"url":"http://127.0.0.1:1","timeout":1000000000}}`)
	var out bytes.Buffer
	if err := load.Serve(in, &out); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"no load of shape", "no attack is prepared", "are no load", "open a connection"} {
		if line, err := out.ReadString('\n'); err != nil || !strings.Contains(line, want) {
			t.Errorf("%d: %s, %v", i, line, err)
		}
	}
}
