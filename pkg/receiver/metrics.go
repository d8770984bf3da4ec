package receiver

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/billable-events/billable/pkg/sqsqueue"
	"github.com/billable-events/billable/pkg/telemetry"
	"github.com/billable-events/billable/pkg/webhook"
)

// metrics are the receiver's metrics. Labels come from closed sets.
type metrics struct {
	requests        *prometheus.CounterVec // code, event_type
	durations       prometheus.Histogram
	bodies          prometheus.Histogram
	overloads       prometheus.Counter
	batches         prometheus.Histogram
	sendDurations   prometheus.Histogram
	waits           prometheus.Histogram
	enqueueFailures *prometheus.CounterVec // class
	reloadFailures  prometheus.Counter
}

func newMetrics(registry *prometheus.Registry) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: telemetry.Namespace, Name: "webhook_requests_total", Help: "Requests by status and type of event.",
		}, []string{"code", "event_type"}),
		durations: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: telemetry.Namespace, Name: "webhook_request_duration_seconds", Help: "Time from the header of a request to its response.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
		bodies: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: telemetry.Namespace, Name: "webhook_body_bytes", Help: "Request body bytes read.",
			Buckets: prometheus.ExponentialBuckets(1<<10, 2, 11),
		}),
		overloads: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: telemetry.Namespace, Name: "webhook_shed_total", Help: "Requests rejected because too many requests or bytes were in flight.",
		}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: telemetry.Namespace, Name: "enqueue_batch_entries", Help: "Events in one call to SQS.",
			Buckets: prometheus.LinearBuckets(1, 1, 10),
		}),
		sendDurations: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: telemetry.Namespace, Name: "enqueue_duration_seconds", Help: "Duration of a call to SQS.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 12),
		}),
		waits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: telemetry.Namespace, Name: "enqueue_wait_duration_seconds", Help: "Time that an event waits before its call to SQS starts.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 12),
		}),
		enqueueFailures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: telemetry.Namespace, Name: "enqueue_failures_total", Help: "Failed attempts to enqueue an event; retryable ones are retried.",
		}, []string{"class"}),
		reloadFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: telemetry.Namespace, Name: "credentials_reload_failures_total", Help: "Failed attempts to reload credential files.",
		}),
	}
	for _, class := range sqsqueue.Classes() {
		m.enqueueFailures.WithLabelValues(class)
	}
	registry.MustRegister(m.requests, m.durations, m.bodies, m.overloads, m.batches, m.sendDurations, m.waits, m.enqueueFailures, m.reloadFailures)
	return m
}

// registerInFlight registers the number of webhooks in flight.
func registerInFlight(registry *prometheus.Registry, handler *webhook.Handler) {
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: telemetry.Namespace, Name: "webhook_in_flight", Help: "Webhooks in flight.",
	}, func() float64 { return float64(handler.InFlight()) }))
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

// Sent implements sqsqueue.SendObserver.
func (m *metrics) Sent(entries int, took time.Duration) {
	m.batches.Observe(float64(entries))
	m.sendDurations.Observe(took.Seconds())
}

// Waited implements sqsqueue.SendObserver.
func (m *metrics) Waited(took time.Duration) { m.waits.Observe(took.Seconds()) }

// Failed implements sqsqueue.SendObserver.
func (m *metrics) Failed(class string, entries int) {
	m.enqueueFailures.WithLabelValues(class).Add(float64(entries))
}
