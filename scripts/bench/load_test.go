package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/billable-events/billable/pkg/event"
)

// TestWebhookKinds checks the sizes, and that the usual webhook is valid.
func TestWebhookKinds(t *testing.T) {
	t.Parallel()
	got, err := event.Parse(webhookKinds[usualWebhook].start(7))
	if err != nil || got.ID != "ev_0000000000007" || got.Type != event.PendingInvoiceCreated || len(got.Invoice.LineItems) == 0 {
		t.Errorf("%+v, %v", got, err)
	}
	for name, size := range map[string]int{usualWebhook: 5686, paddedWebhook: largeSize, linesWebhook: largeSize} {
		kind := webhookKinds[name]
		body := append(kind.start(7), kind.filler...)
		if !json.Valid(body) || len(body) > size || len(body) < size-1000 {
			t.Errorf("%s: %d bytes, valid: %t", name, len(body), json.Valid(body))
		}
	}
}

// fakeReceiver answers webhooks as a receiver does, and counts them.
type fakeReceiver struct {
	*httptest.Server

	mu   sync.Mutex
	seen map[string]int
}

func newFakeReceiver(t *testing.T, answer func(number int, w http.ResponseWriter, eventID string)) *fakeReceiver {
	t.Helper()
	target := &fakeReceiver{seen: map[string]int{}}
	target.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		got, invalid := event.Parse(body)
		user, pass, _ := r.BasicAuth()
		if err != nil || invalid != nil || user != username || pass != password || r.Header.Get("Content-Type") != "application/json" {
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

func acceptEvent(_ int, w http.ResponseWriter, eventID string) {
	_, _ = fmt.Fprintf(w, `{"status":"queued","event_id":%q}`, eventID)
}

// TestLoad_SendsEachEventOnce runs each kind of load.
func TestLoad_SendsEachEventOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		load load
		want int // 0 is any number
	}{
		"open":   {load{Rate: 200, Length: 300 * time.Millisecond, Kind: usualWebhook}, 60},
		"closed": {load{Clients: 5, Length: 100 * time.Millisecond, Kind: usualWebhook}, 0},
		"burst":  {load{Clients: 30, Kind: usualWebhook}, 30},
		"lines":  {load{Clients: 3, Kind: linesWebhook}, 3},
		"padded": {load{Clients: 3, Kind: paddedWebhook}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := newFakeReceiver(t, acceptEvent)
			test.load.URL, test.load.First = target.URL+"/webhooks/chargebee", 100
			got, err := test.load.run(t.Context())
			if err != nil || got.Invalid != "" {
				t.Fatal(err, got.Invalid)
			}
			f := got.figures()
			if test.want == 0 || test.load.Rate > 0 && len(target.seen) == test.want+1 {
				test.want = max(len(target.seen), 1)
			}
			if len(got.Accepted) != test.want || len(target.seen) != test.want || f["200, %"] != 100 || f["requests"] != float64(test.want) || f["max, ms"] <= 0 {
				t.Fatalf("%d accepted, %d events, %v", len(got.Accepted), len(target.seen), f)
			}
			for i := range test.want {
				if id := fmt.Sprintf("ev_%013d", 100+i); target.seen[id] != 1 {
					t.Errorf("event %s came %d times", id, target.seen[id])
				}
			}
		})
	}
}

// TestLoad_OpenDoesNotWait sends requests although earlier ones are not answered.
func TestLoad_OpenDoesNotWait(t *testing.T) {
	t.Parallel()
	target := newFakeReceiver(t, func(number int, w http.ResponseWriter, eventID string) {
		if number < 20 {
			<-time.After(300 * time.Millisecond)
		}
		acceptEvent(number, w, eventID)
	})
	got, err := load{URL: target.URL, Rate: 100, Length: 400 * time.Millisecond, Kind: usualWebhook}.run(t.Context())
	if err != nil || len(got.Results) < 40 {
		t.Fatal(err, len(got.Results))
	}
	if last := got.Results[39].Timestamp.Sub(got.Results[0].Timestamp); last != 390*time.Millisecond || got.Results[10].Latency < 300*time.Millisecond {
		t.Errorf("the last request was due after %s, an early one took %s", last, got.Results[10].Latency)
	}
}

func TestLoad_Fails(t *testing.T) {
	t.Parallel()
	if _, err := (load{URL: "http://127.0.0.1:1", Clients: 1, Kind: usualWebhook}).run(t.Context()); err == nil {
		t.Error("a server that cannot be reached")
	}
	if err := generateLoad([]string{"{"}, io.Discard); err == nil {
		t.Error("half a load")
	}
}

func TestAnswers_Add(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		result  vegeta.Result
		id      string
		invalid string
	}{
		"accepted":          {vegeta.Result{Code: 200, Body: []byte(`{"event_id":"ev_1"}`)}, "ev_1", ""},
		"unreadable":        {vegeta.Result{Code: 200, Body: []byte(`{`)}, "", "invalid response"},
		"refused":           {vegeta.Result{Code: 503, Headers: http.Header{"Retry-After": {"1"}}}, "", ""},
		"refused until":     {vegeta.Result{Code: 503, Headers: http.Header{"Retry-After": {"soon"}}}, "", "without Retry-After"},
		"refused for good":  {vegeta.Result{Code: 503}, "", "without Retry-After"},
		"another status":    {vegeta.Result{Code: 500}, "", "answered 500"},
		"without an answer": {vegeta.Result{Error: "EOF"}, "", ""},
	} {
		var a answers
		a.add(&test.result)
		if id := strings.Join(a.Accepted, ""); id != test.id {
			t.Errorf("%s: the event is %q", name, id)
		}
		if (a.Invalid != "") != (test.invalid != "") || !strings.Contains(a.Invalid, test.invalid) {
			t.Errorf("%s: %s", name, a.Invalid)
		}
	}
}

// answersAt returns answers of 10 ms, one each second. Those of some seconds are bad.
func answersAt(seconds int, bad ...int) (a answers) {
	began := time.Now()
	for i := range seconds {
		a.Results = append(a.Results, &vegeta.Result{Code: 200, Timestamp: began.Add(time.Duration(i) * time.Second), Latency: 10 * time.Millisecond})
	}
	for _, second := range bad {
		a.Results[second].Latency = time.Second
	}
	return a
}

func TestAnswers_RecoveredAfter(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		answers answers
		want    time.Duration
	}{
		{answersAt(20), 0},
		{answersAt(20, 3, 9), 0}, // during the outage
		{answersAt(20, 12), 2 * time.Second},
		{answersAt(20, 19), -1},
		{answers{}, -1},
	} {
		if got := test.answers.recoveredAfter(10 * time.Second); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

func TestAnswers_CountFromDue(t *testing.T) {
	t.Parallel()
	a := answersAt(3)
	a.Results[2].Timestamp = a.Results[2].Timestamp.Add(5 * time.Millisecond)
	a.countFromDue(time.Second)
	if got := a.Results[2].Latency; got != 15*time.Millisecond || a.Results[1].Latency != 10*time.Millisecond || a.Late <= 0 {
		t.Errorf("a late request took %s, late %s", got, a.Late)
	}
}

func TestFindLimit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ short, long, want float64 }{
		{5000, 5000, 4900},
		{5000, 4500, 4450}, // confirmed a little lower
		{40, 40, 0},
		{1e6, 1e6, 19820},
	} {
		f, err := findLimit(rates(0.05), func(rate int, long bool) (figures, bool, error) {
			limit := test.short
			if long {
				limit = test.long
			}
			return figures{limitRate: float64(rate)}, float64(rate) <= limit, nil
		})
		if err != nil || f[limitRate] < 0.95*test.want || f[limitRate] > test.long {
			t.Errorf("%+v: %f, %v", test, f[limitRate], err)
		}
	}
	failed := errors.New("skipped")
	if _, err := findLimit(rates(0.05), func(int, bool) (figures, bool, error) { return nil, false, failed }); !errors.Is(err, failed) {
		t.Error(err)
	}
}
