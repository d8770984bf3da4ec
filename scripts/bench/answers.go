package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// answers are the answers to a load.
type answers struct {
	Results  []*vegeta.Result // by the time at which the request was due
	Late     time.Duration    // how late requests left, p99
	Accepted []string         // event ids
	Invalid  string           // first answer that a receiver must never give, if there is one
}

// add adds an answer. The first invalid one is kept: anything but 200 with an event id, and 503 with
// Retry-After.
func (a *answers) add(result *vegeta.Result) {
	a.Results = append(a.Results, result)
	id, err := acceptedEvent(result)
	if id != "" {
		a.Accepted = append(a.Accepted, id)
	}
	if a.Invalid == "" && err != nil {
		a.Invalid = err.Error()
	}
	result.Headers, result.Body = nil, nil
}

func acceptedEvent(result *vegeta.Result) (id string, err error) {
	switch result.Code {
	case 0: // unanswered
		return "", nil
	case http.StatusOK:
		var response struct {
			EventID string `json:"event_id"`
		}
		if err := json.Unmarshal(result.Body, &response); err != nil {
			return "", fmt.Errorf("invalid response: %w", err)
		}
		return response.EventID, nil
	case http.StatusServiceUnavailable:
		if _, err := strconv.ParseUint(result.Headers.Get("Retry-After"), 10, 31); err != nil {
			return "", errors.New("a request was answered 503 without Retry-After")
		}
		return "", nil
	default:
		return "", fmt.Errorf("a request was answered %d", result.Code)
	}
}

// countFromDue makes latencies count from when each request was due: vegeta counts from when it left.
func (a *answers) countFromDue(interval time.Duration) {
	if len(a.Results) == 0 {
		return
	}
	began := a.Results[0].Timestamp
	var late vegeta.Metrics
	for i, result := range a.Results {
		due := began.Add(time.Duration(i) * interval)
		lateness := max(result.Timestamp.Sub(due), 0)
		late.Add(&vegeta.Result{Code: http.StatusOK, Latency: lateness})
		result.Timestamp, result.Latency = due, result.Latency+lateness
	}
	late.Close()
	a.Late = late.Latencies.P99
}

// figures returns what was measured of the answers.
func (a *answers) figures() figures {
	var m vegeta.Metrics
	for _, result := range a.Results {
		m.Add(result)
	}
	m.Close()
	return figures{
		"requests":   float64(m.Requests),
		"200, %":     100 * m.Success,
		"unanswered": float64(m.StatusCodes["0"]),
		"requests/s": m.Rate,
		"p50, ms":    milliseconds(m.Latencies.P50),
		"p95, ms":    milliseconds(m.Latencies.P95),
		"p99, ms":    milliseconds(m.Latencies.P99),
		"max, ms":    milliseconds(m.Latencies.Max),
		"late, ms":   milliseconds(a.Late),
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
