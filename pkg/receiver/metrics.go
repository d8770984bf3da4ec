package receiver

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/billable-events/billable/pkg/sqsqueue"
	"github.com/billable-events/billable/pkg/telemetry"
	"github.com/billable-events/billable/pkg/webhook"
)

// metrics is what the receiver counts. Labels come from closed sets.
type metrics struct {
	requests *prometheus.CounterVec // code, event_type
	took     prometheus.Histogram
	bodies   prometheus.Histogram
	shed     prometheus.Counter
	batches  prometheus.Histogram
	sending  prometheus.Histogram
	waiting  prometheus.Histogram
	failures *prometheus.CounterVec // class

	reloadFailures prometheus.Counter
}

func newMetrics(registry *prometheus.Registry) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: telemetry.Namespace, Name: "webhook_requests_total", Help: "Requests by answer and type of event.",
		}, []string{"code", "event_type"}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: telemetry.Namespace, Name: "webhook_request_duration_seconds", Help: "Time from the arrival of a request to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
		bodies: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: telemetry.Namespace, Name: "webhook_body_bytes", Help: "Size of the bodies that were read, as far as they were.",
			Buckets: prometheus.ExponentialBuckets(1<<10, 2, 11),
		}),
		shed: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: telemetry.Namespace, Name: "webhook_shed_total", Help: "Requests refused because too much was in flight.",
		}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: telemetry.Namespace, Name: "enqueue_batch_entries", Help: "Events in one call to SQS.",
			Buckets: prometheus.LinearBuckets(1, 1, 10),
		}),
		sending: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: telemetry.Namespace, Name: "enqueue_duration_seconds", Help: "Time of one call to SQS.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 12),
		}),
		waiting: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: telemetry.Namespace, Name: "enqueue_wait_duration_seconds", Help: "Time that an event waits until the call to SQS that takes it along leaves.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 12),
		}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: telemetry.Namespace, Name: "enqueue_failures_total", Help: "Events that an attempt could not put into the queue; what may pass is tried again.",
		}, []string{"class"}),
		reloadFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: telemetry.Namespace, Name: "credentials_reload_failures_total", Help: "Looks at the files of credentials that found none to use.",
		}),
	}
	for _, class := range sqsqueue.Classes() {
		m.failures.WithLabelValues(class)
	}
	registry.MustRegister(m.requests, m.took, m.bodies, m.shed, m.batches, m.sending, m.waiting, m.failures, m.reloadFailures)
	return m
}

// watch adds what is read from the handler.
func (m *metrics) watch(registry *prometheus.Registry, handler *webhook.Handler) {
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: telemetry.Namespace, Name: "webhook_in_flight", Help: "Webhooks that are worked on.",
	}, func() float64 { return float64(handler.InFlight()) }))
}

func (m *metrics) answered(report webhook.RequestResult) {
	m.requests.WithLabelValues(strconv.Itoa(report.Status), report.EventLabel()).Inc()
	m.took.Observe(report.Duration.Seconds())
	if report.Bytes > 0 {
		m.bodies.Observe(float64(report.Bytes))
	}
	if report.Overload {
		m.shed.Inc()
	}
}

// Sent implements sqsqueue.SendObserver.
func (m *metrics) Sent(entries int, took time.Duration) {
	m.batches.Observe(float64(entries))
	m.sending.Observe(took.Seconds())
}

// Waited implements sqsqueue.SendObserver.
func (m *metrics) Waited(took time.Duration) { m.waiting.Observe(took.Seconds()) }

// Failed implements sqsqueue.SendObserver.
func (m *metrics) Failed(class string, entries int) {
	m.failures.WithLabelValues(class).Add(float64(entries))
}
