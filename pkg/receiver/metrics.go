package receiver

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/billable-events/billable/pkg/sqsqueue"
	"github.com/billable-events/billable/pkg/telemetry"
	"github.com/billable-events/billable/pkg/webhook"
)

// metrics has the receiver's metrics, and is a sqsqueue.SendObserver. Labels have a limited number of values.
type metrics struct {
	requests        *prometheus.CounterVec // labels: code, event_type
	durations       prometheus.Histogram
	bodies          prometheus.Histogram
	overloads       prometheus.Counter
	batches         prometheus.Histogram
	sendDurations   prometheus.Histogram
	waits           prometheus.Histogram
	enqueueFailures *prometheus.CounterVec // label: class
	evictions       prometheus.Counter
}

func newMetrics(registry *prometheus.Registry) *metrics {
	factory := telemetry.Metrics(registry)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return factory.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return factory.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
	}
	m := &metrics{
		requests:        counter("webhook_requests_total", "Requests by status and type of event.", "code", "event_type"),
		durations:       histogram("webhook_request_duration_seconds", "Time from the header of a request to its response.", prometheus.ExponentialBuckets(0.001, 2, 14)),
		bodies:          histogram("webhook_body_bytes", "Request body bytes read.", prometheus.ExponentialBuckets(1<<10, 2, 11)),
		overloads:       counter("webhook_shed_total", "Requests rejected because too many requests or bytes were in flight.").WithLabelValues(),
		batches:         histogram("enqueue_batch_entries", "Events in one call to SQS.", prometheus.LinearBuckets(1, 1, 10)),
		sendDurations:   histogram("enqueue_duration_seconds", "Duration of a call to SQS.", prometheus.ExponentialBuckets(0.001, 2, 12)),
		waits:           histogram("enqueue_wait_duration_seconds", "Time that an event waits before its call to SQS starts.", prometheus.ExponentialBuckets(0.001, 2, 12)),
		enqueueFailures: counter("enqueue_failures_total", "Failed attempts to enqueue an event; retryable ones are retried.", "class"),
		evictions:       counter("webhook_connections_evicted_total", "Idle connections closed for new ones, because the limit of connections was reached.").WithLabelValues(),
	}
	// Alerts use increase(), which does not see the first count of a series that begins with it.
	for _, status := range invalidStatuses {
		m.requests.WithLabelValues(strconv.Itoa(status), webhook.RequestResult{}.EventLabel())
	}
	for _, class := range sqsqueue.Classes() {
		m.enqueueFailures.WithLabelValues(class)
	}
	return m
}

func (m *metrics) recordRequest(result webhook.RequestResult) {
	m.requests.WithLabelValues(strconv.Itoa(result.Status), result.EventLabel()).Inc()
	m.durations.Observe(result.Duration.Seconds())
	if result.Bytes > 0 {
		m.bodies.Observe(float64(result.Bytes))
	}
	if result.Overload {
		m.overloads.Inc()
	}
}

func (m *metrics) Sent(entries int, took time.Duration) {
	m.batches.Observe(float64(entries))
	m.sendDurations.Observe(took.Seconds())
}

func (m *metrics) Waited(waited time.Duration) { m.waits.Observe(waited.Seconds()) }

func (m *metrics) Failed(class string, entries int) {
	m.enqueueFailures.WithLabelValues(class).Add(float64(entries))
}
