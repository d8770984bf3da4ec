package load

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

const (
	firstWorkers = 64
	// maxWorkers bounds requests under way: a server that has stopped would have all of
	// them wait otherwise. It is above what a receiver lets in.
	maxWorkers = 4096
)

// schedule is a vegeta.Pacer of a constant rate that remembers when it began: vegeta
// measures from when a request leaves, which may be later than it was due.
type schedule struct {
	interval time.Duration
	count    uint64
	began    time.Time // of the attack; zero before the first request
}

// Pace implements vegeta.Pacer. One goroutine calls it.
func (s *schedule) Pace(elapsed time.Duration, hits uint64) (wait time.Duration, stop bool) {
	if s.began.IsZero() {
		s.began = time.Now().Add(-elapsed)
	}
	return s.due(hits) - elapsed, hits >= s.count
}

// Rate implements vegeta.Pacer.
func (s *schedule) Rate(time.Duration) float64 { return float64(time.Second) / float64(s.interval) }

func (s *schedule) due(number uint64) time.Duration { return time.Duration(number) * s.interval }

// open prepares an attack whose requests leave when they are due.
func open(plan Plan) (attack, error) {
	if plan.Rate <= 0 || plan.count() <= 0 {
		return nil, fmt.Errorf("%d requests a second for %s are no load", plan.Rate, plan.Length)
	}
	attacker := vegeta.NewAttacker(
		vegeta.Workers(firstWorkers), vegeta.MaxWorkers(maxWorkers),
		vegeta.Timeout(plan.Timeout), vegeta.Redirects(vegeta.NoFollow), vegeta.MaxBody(maxAnswer),
	)
	return func() ([]Answer, error) {
		pace := &schedule{interval: time.Second / time.Duration(plan.Rate), count: uint64(plan.count())}
		answers := make([]Answer, 0, plan.count())
		for result := range attacker.Attack(plan.targeter(), pace, 0, "") {
			answers = append(answers, pace.answer(result))
		}
		return answers, nil
	}, nil
}

// targeter makes the requests, each with an event of its own.
func (p Plan) targeter() vegeta.Targeter {
	header := http.Header{
		"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(p.Username+":"+p.Password))},
		"Content-Type":  {"application/json"},
	}
	var made atomic.Int64
	return func(target *vegeta.Target) error {
		number := int(made.Add(1)) - 1
		target.Method, target.URL, target.Header = http.MethodPost, p.URL, header
		target.Body = []byte(Body(EventID(p.Attack, number)))
		return nil
	}
}

// answer counts from when the request was due: a request that left late, because the
// generator had no time for it, took longer.
func (s *schedule) answer(result *vegeta.Result) Answer {
	due := s.due(result.Seq)
	late := max(result.Timestamp.Sub(s.began)-due, 0)
	answer := Answer{Due: due, Late: late, Took: late + result.Latency}
	if result.Code == 0 {
		answer.Problem = result.Error
		return answer
	}
	answer.read(int(result.Code), result.Headers, result.Body)
	return answer
}
