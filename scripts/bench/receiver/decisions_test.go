package receiver

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/scripts/bench/load"
	"github.com/billable-events/billable/scripts/bench/standin"
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

// at is an answer to the request that was due after so many milliseconds.
func at(due, took, status int) load.Answer {
	return load.Answer{Due: time.Duration(due) * time.Millisecond, Took: time.Duration(took) * time.Millisecond, Status: status, RetryAfter: status == 503}
}

func TestPerSecond(t *testing.T) {
	t.Parallel()
	got := perSecond([]load.Answer{at(2100, 9, 200), at(0, 5, 200), at(999, 7, 503), at(2000, 8, 200)})
	if len(got) != 3 || got[0].Requests != 2 || got[0].OK != 1 || got[1].Requests != 0 || got[2].OK != 2 {
		t.Fatalf("got %+v", got)
	}
	if got[0].Latencies.Max != 7*time.Millisecond || got[2].Latencies.P50 != 8*time.Millisecond {
		t.Errorf("got %+v", got)
	}
}

func TestRecovered(t *testing.T) {
	t.Parallel()
	const from, within = 10 * time.Second, 100 * time.Millisecond
	for name, test := range map[string]struct {
		answers []load.Answer
		want    time.Duration
	}{
		"at once":         {[]load.Answer{at(9900, 1, 503), at(10000, 20, 200), at(11000, 20, 200)}, 0},
		"after a while":   {[]load.Answer{at(10000, 5000, 503), at(10700, 90, 503), at(11000, 20, 200)}, 700 * time.Millisecond},
		"slow ones count": {[]load.Answer{at(10300, 101, 200), at(11000, 20, 200)}, 300 * time.Millisecond},
		"back again":      {[]load.Answer{at(10300, 20, 200), at(11000, 20, 503), at(12000, 20, 200)}, time.Second},
		"never":           {[]load.Answer{at(10300, 20, 200), at(11000, 20, 503)}, -1},
		"nothing came":    {nil, -1},
	} {
		if got := recovered(test.answers, from, within); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

// TestSearch finds the rate with few probes, and holds no rate that failed.
func TestSearch(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{0, 49, 50, 333, 999, 1000, 1234, 2000, 7777, 20_000, 50_000} {
		probes := 0
		got, err := search{first: 1000, least: 50, most: 20_000, precision: 0.05, holds: func(rate int) (bool, error) {
			probes++
			return rate <= limit, nil
		}}.run()
		want := min(limit, 20_000)
		if limit < 50 {
			want = 0
		}
		if err != nil || got > want || float64(got) < float64(want)*0.94-rateStep || probes > 14 {
			t.Errorf("limit %d: %d after %d probes, %v", limit, got, probes, err)
		}
	}
	broken := errors.New("broken")
	if _, err := (search{first: 1000, least: 50, most: 2000, precision: 0.05, holds: func(rate int) (bool, error) {
		if rate > 1000 && rate < 1500 {
			return false, broken
		}
		return rate <= 1000, nil
	}}).run(); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// TestVerify: accepted is in the queue.
func TestVerify(t *testing.T) {
	t.Parallel()
	ok := func(id string) load.Answer { return load.Answer{Status: 200, EventID: id} }
	sent := map[string]bool{"a": true, "b": true, "c": true}
	for name, test := range map[string]struct {
		answers []load.Answer
		stock   standin.Stock
		want    account
		wrong   string
	}{
		"all": {
			[]load.Answer{ok("a"), ok("b"), ok("c")},
			standin.Stock{Messages: map[string]standin.Held{"a": {Times: 1}, "b": {Times: 1}, "c": {Times: 1}}}, account{Accepted: 3, Messages: 3}, "",
		},
		"refused, and in the queue": {
			[]load.Answer{ok("a"), {Status: 503}},
			standin.Stock{Messages: map[string]standin.Held{"a": {Times: 1}, "b": {Times: 1, Lost: 1}}}, account{Accepted: 1, Extra: 1, Messages: 2}, "",
		},
		"twice after a lost answer": {
			[]load.Answer{ok("a")},
			standin.Stock{Messages: map[string]standin.Held{"a": {Times: 2, Lost: 1}}}, account{Accepted: 1, Twice: 1, Messages: 2}, "",
		},
		"twice without":    {[]load.Answer{ok("a")}, standin.Stock{Messages: map[string]standin.Held{"a": {Times: 2}}}, account{}, "a 2 times"},
		"lost":             {[]load.Answer{ok("a")}, standin.Stock{}, account{}, "a message is lost"},
		"answered twice":   {[]load.Answer{ok("a"), ok("a")}, standin.Stock{Messages: map[string]standin.Held{"a": {Times: 1}}}, account{}, "two requests"},
		"nobody's answer":  {[]load.Answer{ok("")}, standin.Stock{}, account{}, "which was not sent"},
		"nobody's message": {nil, standin.Stock{Messages: map[string]standin.Held{"x": {Times: 1}}}, account{}, "which was not sent"},
		"altered":          {[]load.Answer{ok("a")}, standin.Stock{Messages: map[string]standin.Held{"a": {Times: 1}}, Altered: 1}, account{}, "not as they were sent"},
	} {
		got, err := verify(test.answers, sent, test.stock, false)
		if test.wrong == "" && (err != nil || got != test.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if test.wrong != "" && (err == nil || !strings.Contains(err.Error(), test.wrong)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestVerifyTooMuch takes copies for what comes of answers that a receiver gave up.
func TestVerifyTooMuch(t *testing.T) {
	t.Parallel()
	stock := standin.Stock{Messages: map[string]standin.Held{"a": {Times: 2}}}
	got, err := verify([]load.Answer{{Status: 200, EventID: "a"}}, map[string]bool{"a": true}, stock, true)
	if want := (account{Accepted: 1, Twice: 1, Messages: 2}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestImproper(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer load.Answer
		want   string
	}{
		"success":            {load.Answer{Status: 200}, ""},
		"refused for now":    {load.Answer{Status: 503, RetryAfter: true}, ""},
		"none":               {load.Answer{Problem: "EOF"}, ""}, // which is counted
		"refused for ever":   {load.Answer{Status: 503}, "without Retry-After"},
		"a client's fault":   {load.Answer{Status: 400}, "answered 400"},
		"a defect":           {load.Answer{Status: 500}, "answered 500"},
		"another's":          {load.Answer{Status: 200, Problem: "for another"}, "for another"},
		"success of a sort":  {load.Answer{Status: 202}, "answered 202"},
		"too many, they say": {load.Answer{Status: 429, RetryAfter: true}, "answered 429"},
	} {
		if got := fmt.Sprint(improper([]load.Answer{{Status: 200}, test.answer})); (test.want == "") != (got == "<nil>") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := unanswered([]load.Answer{{}, {Status: 200}, {Problem: "EOF"}}); got != 2 {
		t.Errorf("%d were not answered", got)
	}
}

// TestTargets are met and missed.
func TestTargets(t *testing.T) {
	t.Parallel()
	good := Result{Requests: 10, OK: 10, Rate: 2000, Recovered: time.Second, PeakMemory: 64 << 20, Latencies: Latencies{P99: 50 * time.Millisecond, Max: time.Second}}
	for name, change := range map[string]func(*Result){
		"as good as it must be": func(*Result) {},
		"one refused":           func(r *Result) { r.OK = 9 },
		"slow":                  func(r *Result) { r.Latencies = Latencies{P99: time.Minute, Max: time.Minute} },
	} {
		result := good
		change(&result)
		for _, scenario := range fullLengths.loads() {
			if got := scenario.met(result); got != (result == good) {
				t.Errorf("%s: %s is met: %t", name, scenario.name, got)
			}
		}
	}
	outage := fullLengths.outage()
	for recovered, want := range map[time.Duration]bool{0: true, 2 * time.Second: true, 2001 * time.Millisecond: false, -1: false} {
		if got := outage.met(Result{Recovered: recovered}); got != want {
			t.Errorf("recovered after %s: %t", recovered, got)
		}
	}
	if outage.met(Result{PeakMemory: outageMemory + 1}) {
		t.Error("the memory is not bounded")
	}
	limit := fullLengths.limits()[1]
	if limit.met(Result{Rate: 1490}) || !limit.met(Result{Rate: 1500}) {
		t.Error(limit.target)
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	for want, result := range map[string]Result{
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
	result := Result{}
	result.fail(nil)
	result.fail(errors.New("first"))
	result.fail(errors.New("second"))
	if err := wrong(map[string]Result{"a": {}, "b": result}); err == nil || err.Error() != "b: first" {
		t.Error(err)
	}
	if err := wrong(map[string]Result{"a": {}}); err != nil {
		t.Error(err)
	}
}
