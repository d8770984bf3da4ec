package receiver

import (
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/billable-events/billable/scripts/bench/load"
)

// Latencies are percentiles of how long answers took, and the longest.
type Latencies struct {
	P50 time.Duration `json:"p50_ns"`
	P95 time.Duration `json:"p95_ns"`
	P99 time.Duration `json:"p99_ns"`
	Max time.Duration `json:"max_ns"`
}

// latencies are those of all answers, whatever they say: a refusal that takes long is
// no better.
func latencies(answers []load.Answer) Latencies {
	took := make([]time.Duration, len(answers))
	for i, answer := range answers {
		took[i] = answer.Took
	}
	slices.Sort(took)
	return Latencies{P50: percentile(took, 50), P95: percentile(took, 95), P99: percentile(took, 99), Max: percentile(took, 100)}
}

// percentile is by nearest rank: the least value that so many percent are not above.
func percentile(sorted []time.Duration, percent float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(percent / 100 * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

// successes counts the answers with status 200.
func successes(answers []load.Answer) int {
	count := 0
	for _, answer := range answers {
		if answer.Status == http.StatusOK {
			count++
		}
	}
	return count
}

// unanswered counts requests that nobody answered.
func unanswered(answers []load.Answer) int {
	count := 0
	for _, answer := range answers {
		if answer.Status == 0 {
			count++
		}
	}
	return count
}

// second is what came of the requests that were due in one second of an attack.
type second struct {
	Requests, OK int
	Latencies    Latencies
}

// perSecond sorts answers into seconds by when they were due.
func perSecond(answers []load.Answer) []second {
	var groups [][]load.Answer
	for _, answer := range answers {
		at := int(answer.Due / time.Second)
		for len(groups) <= at {
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], answer)
	}
	seconds := make([]second, len(groups))
	for i, group := range groups {
		seconds[i] = second{Requests: len(group), OK: successes(group), Latencies: latencies(group)}
	}
	return seconds
}

// recovered is when, counted from the given time, requests began to be answered with
// success for good: each one due since then was, and within the given time. Negative:
// never.
func recovered(answers []load.Answer, from, within time.Duration) time.Duration {
	latest, bad := time.Duration(-1), from
	for _, answer := range answers {
		latest = max(latest, answer.Due)
		if answer.Due >= from && (answer.Status != http.StatusOK || answer.Took > within) {
			bad = max(bad, answer.Due)
		}
	}
	if latest <= bad {
		return -1
	}
	return bad - from
}
