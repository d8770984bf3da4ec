package receiver

import (
	"time"
)

// Result is what a scenario came to.
type Result struct {
	Skipped string `json:"skipped,omitempty"` // why it was not run; then there is nothing else

	Requests   int           `json:"requests"`
	OK         int           `json:"ok"`         // answered 200
	Unanswered int           `json:"unanswered"` // not answered at all
	Took       time.Duration `json:"took_ns"`
	Latencies  Latencies     `json:"latencies"`
	Lateness   time.Duration `json:"lateness_ns"` // how much later than due requests left, the 99th percentile

	CPU          time.Duration `json:"cpu_ns"`           // of the server that is measured
	StandInCPU   time.Duration `json:"stand_in_cpu_ns"`  // of the queue
	GeneratorCPU time.Duration `json:"generator_cpu_ns"` // of the load generator
	PeakMemory   int64         `json:"peak_memory_bytes"`
	Messages     int           `json:"messages"` // in the queue, at the end
	Calls        int           `json:"calls"`    // that sent them

	Polls       int           `json:"polls"`           // of /livez
	PollsFailed int           `json:"polls_failed"`    // of them without success
	SlowestPoll time.Duration `json:"slowest_poll_ns"` // the one that took longest
	Extra       int           `json:"extra"`           // events in the queue although their sender was told otherwise
	Twice       int           `json:"twice"`           // further copies in the queue, after lost answers
	Rate        int           `json:"rate"`            // the limit, per second
	Recovered   time.Duration `json:"recovered_ns"`    // after an outage; negative: never
	Target      string        `json:"target"`          // what is to reach
	Met         bool          `json:"met"`             // the target
	Wrong       string        `json:"wrong,omitempty"` // what must not be
}

func (r Result) perRequest(cpu time.Duration) time.Duration {
	return cpu / time.Duration(max(r.Requests, 1))
}

// fail notes what must not be; what was noted first stays.
func (r *Result) fail(wrong error) {
	if wrong != nil && r.Wrong == "" {
		r.Wrong = wrong.Error()
	}
}

// cores is how many cores a CPU time kept busy.
func (r Result) cores(cpu time.Duration) float64 { return cpu.Seconds() / max(r.Took.Seconds(), 1e-9) }

// batch is how many messages went with one call to the queue.
func (r Result) batch() float64 { return float64(r.Messages) / float64(max(r.Calls, 1)) }

// verdict is how the scenario went, in a word.
func (r Result) verdict() string {
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
