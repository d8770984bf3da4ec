package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"
)

// ReceiverResult is the result of a scenario.
type ReceiverResult struct {
	Skipped string `json:"skipped,omitempty"` // why it did not run; then all else is empty

	Requests   int           `json:"requests"`
	OK         int           `json:"ok"` // answered 200
	Unanswered int           `json:"unanswered"`
	Took       time.Duration `json:"took_ns"`
	Latencies  Latencies     `json:"latencies"`
	Lateness   time.Duration `json:"lateness_ns"` // how late requests left, p99

	CPU          time.Duration `json:"cpu_ns"` // of the server
	QueueCPU     time.Duration `json:"queue_cpu_ns"`
	GeneratorCPU time.Duration `json:"generator_cpu_ns"`
	PeakMemory   int64         `json:"peak_memory_bytes"`
	Calls        int           `json:"calls"` // to SQS: SendMessage and SendMessageBatch

	Delivery
	Probes

	Rate      int           `json:"rate"`         // the highest that findLimit confirmed, requests per second; 0 in other scenarios
	Recovered time.Duration `json:"recovered_ns"` // after an outage; -1: it did not recover
	Target    string        `json:"target"`
	Met       bool          `json:"met"`
	Wrong     string        `json:"wrong,omitempty"` // a defect, not a missed target
}

// Latencies are percentiles and the maximum of the time until a request was answered, also with a refusal,
// or given up.
type Latencies struct {
	P50 time.Duration `json:"p50_ns"`
	P95 time.Duration `json:"p95_ns"`
	P99 time.Duration `json:"p99_ns"`
	Max time.Duration `json:"max_ns"`
}

func (r ReceiverResult) perRequest() time.Duration {
	return r.CPU / time.Duration(max(r.Requests, 1))
}

// fail records a defect. The first one is kept.
func (r *ReceiverResult) fail(wrong error) {
	if wrong != nil && r.Wrong == "" {
		r.Wrong = wrong.Error()
	}
}

// failUnanswered records requests that were not answered as a defect.
func (r *ReceiverResult) failUnanswered() {
	if r.Unanswered > 0 {
		r.fail(fmt.Errorf("%d requests were not answered", r.Unanswered))
	}
}

// plus adds a further load of the same server, before finish completes the result. Of percentiles it keeps
// the greater one.
func (r ReceiverResult) plus(other ReceiverResult) ReceiverResult {
	r.Requests += other.Requests
	r.OK += other.OK
	r.Unanswered += other.Unanswered
	r.Took += other.Took
	r.CPU += other.CPU
	r.QueueCPU += other.QueueCPU
	r.GeneratorCPU += other.GeneratorCPU
	r.Latencies = Latencies{
		P50: max(r.Latencies.P50, other.Latencies.P50), P95: max(r.Latencies.P95, other.Latencies.P95),
		P99: max(r.Latencies.P99, other.Latencies.P99), Max: max(r.Latencies.Max, other.Latencies.Max),
	}
	r.Lateness = max(r.Lateness, other.Lateness)
	r.Wrong = cmp.Or(r.Wrong, other.Wrong)
	return r
}

func (r ReceiverResult) verdict() string {
	switch {
	case r.Skipped != "":
		return "skipped: " + r.Skipped
	case r.Wrong != "":
		return "WRONG: " + r.Wrong
	case r.Target == "":
		return ""
	case r.Met:
		return "met"
	default:
		return "missed"
	}
}

func sortedDurations(answers []Answer, of func(Answer) time.Duration) []time.Duration {
	durations := make([]time.Duration, len(answers))
	for i, answer := range answers {
		durations[i] = of(answer)
	}
	slices.Sort(durations)
	return durations
}

func latencies(answers []Answer) Latencies {
	took := sortedDurations(answers, func(a Answer) time.Duration { return a.Took })
	return Latencies{P50: percentile(took, 50), P95: percentile(took, 95), P99: percentile(took, 99), Max: percentile(took, 100)}
}

// percentile returns the percentile by nearest rank.
func percentile(sorted []time.Duration, percent float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(percent / 100 * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

func countAnswers(answers []Answer) (ok, unanswered int) {
	for _, answer := range answers {
		switch answer.Status {
		case http.StatusOK:
			ok++
		case 0:
			unanswered++
		}
	}
	return ok, unanswered
}

// perSecond groups answers by the second in which their request was due.
func perSecond(answers []Answer) (groups [][]Answer) {
	for _, answer := range answers {
		at := int(answer.Due / time.Second)
		for len(groups) <= at {
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], answer)
	}
	return groups
}

// recoveredAfter returns the time between from and the last request that was not answered 200 within the
// maximum latency, 0 without such a request. It returns -1 if no request was due after that.
func recoveredAfter(answers []Answer, from, maximum time.Duration) time.Duration {
	var lastDue time.Duration
	lastBad := from
	for _, answer := range answers {
		lastDue = max(lastDue, answer.Due)
		if answer.Due >= from && (answer.Status != http.StatusOK || answer.Took > maximum) {
			lastBad = max(lastBad, answer.Due)
		}
	}
	if lastDue <= lastBad {
		return -1
	}
	return lastBad - from
}

// Delivery compares answers with the messages in the queue.
type Delivery struct {
	Messages int `json:"messages"` // in the queue
	Extra    int `json:"extra"`    // events in the queue that were not answered 200
	Twice    int `json:"twice"`    // further copies, after lost responses of the queue
}

// checkDelivery looks for every accepted event in the queue. It returns an error for a lost, altered or
// unknown event, for two accepted requests with one event, and for more copies than lost responses explain.
// In an overload a receiver may give up on a response that SQS has already sent: then further copies are
// allowed.
func checkDelivery(answers []Answer, sent map[string]bool, snapshot QueueSnapshot, overload bool) (d Delivery, err error) {
	accepted := map[string]bool{}
	for _, answer := range answers {
		if answer.Status != http.StatusOK {
			continue
		}
		switch id := answer.EventID; {
		case !sent[id]:
			return d, fmt.Errorf("a request was accepted for the event %q, which was not sent", id)
		case accepted[id]:
			return d, fmt.Errorf("two requests were accepted for the event %s", id)
		case snapshot.Messages[id].Total == 0:
			return d, fmt.Errorf("the event %s was accepted and is not in the queue: a message is lost", id)
		default:
			accepted[id] = true
		}
	}
	for id, count := range snapshot.Messages {
		switch {
		case !sent[id]:
			return d, fmt.Errorf("the queue has the event %q, which was not sent", id)
		case count.Total > 1+count.Lost && !overload:
			return d, fmt.Errorf("the queue has the event %s %d times, and %d responses were lost", id, count.Total, count.Lost)
		case !accepted[id]:
			d.Extra++
		}
		d.Twice += count.Total - 1
		d.Messages += count.Total
	}
	if snapshot.Altered > 0 {
		return d, fmt.Errorf("%d messages in the queue are not as they were sent", snapshot.Altered)
	}
	return d, nil
}

// invalidAnswer returns an error for an answer that a receiver must never give: anything but 200 and
// 503 with Retry-After.
func invalidAnswer(answers []Answer) error {
	for _, answer := range answers {
		switch {
		case answer.Status == 0: // counted as unanswered
		case answer.Problem != "":
			return errors.New(answer.Problem)
		case answer.Status == http.StatusServiceUnavailable && !answer.RetryAfter:
			return errors.New("a request was answered 503 without Retry-After")
		case answer.Status != http.StatusOK && answer.Status != http.StatusServiceUnavailable:
			return fmt.Errorf("a request was answered %d", answer.Status)
		}
	}
	return nil
}
