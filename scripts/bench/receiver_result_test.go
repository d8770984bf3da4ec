package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPercentile(t *testing.T) {
	t.Parallel()
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, test := range []struct {
		values  []time.Duration
		percent float64
		want    time.Duration
	}{
		{nil, 99, 0},
		{hundred[:1], 50, 1},
		{hundred[:2], 50, 1},
		{hundred[:3], 50, 2},
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 99.5, 100},
		{hundred, 100, 100},
		{hundred, 0, 1},
	} {
		if got := percentile(test.values, test.percent); got != test.want {
			t.Errorf("%g %% of %d values: %d, want %d", test.percent, len(test.values), got, test.want)
		}
	}
}

// at returns the answer to a request that was due after some milliseconds.
func at(due, took, status int) Answer {
	return Answer{Due: time.Duration(due) * time.Millisecond, Took: time.Duration(took) * time.Millisecond, Status: status, RetryAfter: status == 503}
}

func TestPerSecond(t *testing.T) {
	t.Parallel()
	got := perSecond([]Answer{at(2100, 9, 200), at(0, 5, 200), at(999, 7, 503), at(2000, 8, 200)})
	if len(got) != 3 || len(got[0]) != 2 || len(got[1]) != 0 || len(got[2]) != 2 || got[0][1].Status != 503 {
		t.Fatalf("got %+v", got)
	}
}

func TestRecoveredAfter(t *testing.T) {
	t.Parallel()
	const from, within = 10 * time.Second, 100 * time.Millisecond
	for name, test := range map[string]struct {
		answers []Answer
		want    time.Duration
	}{
		"at once":         {[]Answer{at(9900, 1, 503), at(10000, 20, 200), at(11000, 20, 200)}, 0},
		"after a while":   {[]Answer{at(10000, 5000, 503), at(10700, 90, 503), at(11000, 20, 200)}, 700 * time.Millisecond},
		"slow ones count": {[]Answer{at(10300, 101, 200), at(11000, 20, 200)}, 300 * time.Millisecond},
		"back again":      {[]Answer{at(10300, 20, 200), at(11000, 20, 503), at(12000, 20, 200)}, time.Second},
		"never":           {[]Answer{at(10300, 20, 200), at(11000, 20, 503)}, -1},
		"nothing came":    {nil, -1},
	} {
		if got := recoveredAfter(test.answers, from, within); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

// TestSearchRate finds a rate that holds with few probes.
func TestSearchRate(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{0, 49, 50, 333, 999, 1000, 1234, 2000, 7777, 20_000, 50_000} {
		probes := 0
		got, err := searchRate(0.05, func(rate int) (bool, error) {
			probes++
			return rate <= limit, nil
		})
		want := min(limit, 20_000)
		if limit < 50 {
			want = 0
		}
		if err != nil || got > want || float64(got) < float64(want)*0.94-rateStep || probes > 14 {
			t.Errorf("limit %d: %d after %d probes, %v", limit, got, probes, err)
		}
	}
	broken := errors.New("broken")
	if _, err := searchRate(0.05, func(rate int) (bool, error) {
		if rate > 1000 && rate < 1500 {
			return false, broken
		}
		return rate <= 1000, nil
	}); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// TestCheckDelivery compares accepted events with the queue.
func TestCheckDelivery(t *testing.T) {
	t.Parallel()
	ok := func(id string) Answer { return Answer{Status: 200, EventID: id} }
	sent := map[string]bool{"a": true, "b": true, "c": true}
	for name, test := range map[string]struct {
		answers []Answer
		stock   QueueSnapshot
		want    Delivery
		wrong   string
	}{
		"all": {
			[]Answer{ok("a"), ok("b"), ok("c")},
			QueueSnapshot{Messages: map[string]MessageCount{"a": {Total: 1}, "b": {Total: 1}, "c": {Total: 1}}}, Delivery{Messages: 3}, "",
		},
		"refused, and in the queue": {
			[]Answer{ok("a"), {Status: 503}},
			QueueSnapshot{Messages: map[string]MessageCount{"a": {Total: 1}, "b": {Total: 1, Lost: 1}}}, Delivery{Extra: 1, Messages: 2}, "",
		},
		"twice after a lost answer": {
			[]Answer{ok("a")},
			QueueSnapshot{Messages: map[string]MessageCount{"a": {Total: 2, Lost: 1}}}, Delivery{Twice: 1, Messages: 2}, "",
		},
		"twice without":   {[]Answer{ok("a")}, QueueSnapshot{Messages: map[string]MessageCount{"a": {Total: 2}}}, Delivery{}, "a 2 times"},
		"lost":            {[]Answer{ok("a")}, QueueSnapshot{}, Delivery{}, "a message is lost"},
		"answered twice":  {[]Answer{ok("a"), ok("a")}, QueueSnapshot{Messages: map[string]MessageCount{"a": {Total: 1}}}, Delivery{}, "two requests"},
		"unknown answer":  {[]Answer{ok("")}, QueueSnapshot{}, Delivery{}, "which was not sent"},
		"unknown message": {nil, QueueSnapshot{Messages: map[string]MessageCount{"x": {Total: 1}}}, Delivery{}, "which was not sent"},
		"altered":         {[]Answer{ok("a")}, QueueSnapshot{Messages: map[string]MessageCount{"a": {Total: 1}}, Altered: 1}, Delivery{}, "not as they were sent"},
	} {
		got, err := checkDelivery(test.answers, sent, test.stock, false)
		if test.wrong == "" && (err != nil || got != test.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if test.wrong != "" && (err == nil || !strings.Contains(err.Error(), test.wrong)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCheckDelivery_Overload allows copies.
func TestCheckDelivery_Overload(t *testing.T) {
	t.Parallel()
	stock := QueueSnapshot{Messages: map[string]MessageCount{"a": {Total: 2}}}
	got, err := checkDelivery([]Answer{{Status: 200, EventID: "a"}}, map[string]bool{"a": true}, stock, true)
	if want := (Delivery{Twice: 1, Messages: 2}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestInvalidAnswer(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer Answer
		want   string
	}{
		"success":           {Answer{Status: 200}, ""},
		"refused for now":   {Answer{Status: 503, RetryAfter: true}, ""},
		"none":              {Answer{Problem: "EOF"}, ""}, // which is counted
		"refused for ever":  {Answer{Status: 503}, "without Retry-After"},
		"bad request":       {Answer{Status: 400}, "answered 400"},
		"a defect":          {Answer{Status: 500}, "answered 500"},
		"another's":         {Answer{Status: 200, Problem: "for another"}, "for another"},
		"another 2xx":       {Answer{Status: 202}, "answered 202"},
		"too many requests": {Answer{Status: 429, RetryAfter: true}, "answered 429"},
	} {
		if got := fmt.Sprint(invalidAnswer([]Answer{{Status: 200}, test.answer})); (test.want == "") != (got == "<nil>") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
	if _, got := countAnswers([]Answer{{}, {Status: 200}, {Problem: "EOF"}}); got != 2 {
		t.Errorf("%d were not answered", got)
	}
}

func TestReceiverScenario_Targets(t *testing.T) {
	t.Parallel()
	good := ReceiverResult{Requests: 10, OK: 10, Rate: 2000, Recovered: time.Second, PeakMemory: 64 << 20, Latencies: Latencies{P99: 50 * time.Millisecond, Max: time.Second}}
	for name, change := range map[string]func(*ReceiverResult){
		"as good as it must be": func(*ReceiverResult) {},
		"one refused":           func(r *ReceiverResult) { r.OK = 9 },
		"slow":                  func(r *ReceiverResult) { r.Latencies = Latencies{P99: time.Minute, Max: time.Minute} },
	} {
		result := good
		change(&result)
		for _, scenario := range fullDurations.scenarios()[:6] {
			if got := scenario.met(result); got != (result == good) {
				t.Errorf("%s: %s is met: %t", name, scenario.name, got)
			}
		}
	}
	outage := fullDurations.outage()
	for recovered, want := range map[time.Duration]bool{0: true, 2 * time.Second: true, 2001 * time.Millisecond: false, -1: false} {
		if got := outage.met(ReceiverResult{Recovered: recovered}); got != want {
			t.Errorf("recovered after %s: %t", recovered, got)
		}
	}
	if outage.met(ReceiverResult{PeakMemory: maxMemory + 1}) {
		t.Error("the memory is not bounded")
	}
	limit := fullDurations.scenarios()[7]
	if limit.met(ReceiverResult{Rate: 1490}) || !limit.met(ReceiverResult{Rate: 1500}) {
		t.Error(limit.target)
	}
}

func TestReceiverResult_Plus(t *testing.T) {
	t.Parallel()
	first := ReceiverResult{Requests: 10, OK: 9, Unanswered: 1, Took: 3, CPU: 4, QueueCPU: 5, GeneratorCPU: 6, Lateness: 7, Latencies: Latencies{P50: 1, P95: 20, P99: 3, Max: 40}}
	second := ReceiverResult{Requests: 20, OK: 18, Unanswered: 2, Took: 30, CPU: 40, QueueCPU: 50, GeneratorCPU: 60, Lateness: 5, Latencies: Latencies{P50: 10, P95: 2, P99: 30, Max: 4}, Wrong: "lost"}
	want := ReceiverResult{Requests: 30, OK: 27, Unanswered: 3, Took: 33, CPU: 44, QueueCPU: 55, GeneratorCPU: 66, Lateness: 7, Latencies: Latencies{P50: 10, P95: 20, P99: 30, Max: 40}, Wrong: "lost"}
	got := first.plus(second)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	first.failUnanswered()
	if got := first.plus(second); got.Wrong != "1 requests were not answered" {
		t.Errorf("got %q", got.Wrong)
	}
}

func TestReceiverResult_Verdict(t *testing.T) {
	t.Parallel()
	for want, result := range map[string]ReceiverResult{
		"":                   {},
		"met":                {Target: "x", Met: true},
		"missed":             {Target: "x"},
		"skipped: no cgroup": {Target: "x", Skipped: "no cgroup"},
		"WRONG: lost":        {Target: "x", Met: true, Wrong: "lost"},
	} {
		if got := result.verdict(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	result := ReceiverResult{}
	result.fail(nil)
	result.fail(errors.New("first"))
	result.fail(errors.New("second"))
	if err := wrongResults(map[string]ReceiverResult{"a": {}, "b": result}); err == nil || err.Error() != "b: first" {
		t.Error(err)
	}
	if err := wrongResults(map[string]ReceiverResult{"a": {}}); err != nil {
		t.Error(err)
	}
}
