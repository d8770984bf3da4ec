package consumer

import (
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/settlement"
	"github.com/billable-events/billable/pkg/telemetry"
)

// metrics holds the counters and histograms of the consumer. Comments name the labels, each with few values.
type metrics struct {
	messages        *prometheus.CounterVec // outcome
	ignored         prometheus.Counter
	settlements     *prometheus.CounterVec // outcome, reason
	duration        prometheus.Observer
	requests        *prometheus.CounterVec   // operation, kind
	requestDuration *prometheus.HistogramVec // operation
	revenueAtRisk   *prometheus.CounterVec   // reason
	mismatched      prometheus.Counter
	carriedForward  prometheus.Counter
	billedEvents    *prometheus.CounterVec // currency
	billedLines     *prometheus.CounterVec // currency
	billedAmount    *prometheus.CounterVec // currency
	unknownInvoices prometheus.Counter
	workerFailures  *prometheus.CounterVec // operation
	linesInDoubt    linesInDoubt
}

func newMetrics(registry *prometheus.Registry) *metrics {
	factory := telemetry.Metrics(registry)
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return factory.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	counter := func(name, help string) prometheus.Counter { return counters(name, help).WithLabelValues() }
	histograms := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return factory.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	}
	m := &metrics{
		messages:        counters("messages_total", "Messages by outcome.", "outcome"),
		ignored:         counter("messages_ignored_total", "Messages acknowledged because their event is of another type."),
		settlements:     counters("settlements_total", "Sessions of invoices by outcome.", "outcome", "reason"),
		duration:        histograms("settlement_duration_seconds", "Duration of a session of an invoice.", prometheus.ExponentialBuckets(0.01, 3, 11)).WithLabelValues(),
		requests:        counters("chargebee_requests_total", "Calls to Chargebee by kind of response.", "operation", "kind"),
		requestDuration: histograms("chargebee_request_duration_seconds", "Duration of a call to Chargebee.", prometheus.ExponentialBuckets(0.01, 2, 12), "operation"),
		revenueAtRisk:   counters("revenue_at_risk_total", "Invoices that may have been closed without all charges.", "reason"),
		mismatched:      counter("events_mismatched_total", "Events that did not match the ledger."),
		carriedForward:  counter("events_carried_forward_total", "Events of credits that were left unbilled for the next invoice."),
		billedEvents:    counters("billed_events_total", "Events billed on finished invoices.", "currency"),
		billedLines:     counters("billed_lines_total", "Lines charged on finished invoices.", "currency"),
		billedAmount:    counters("billed_amount_total", "Amount charged on finished invoices, in minor units of the currency.", "currency"),
		unknownInvoices: counter("unknown_invoices_total", "Messages of invoices that Chargebee does not have, each counted once."),
		workerFailures:  counters("worker_failures_total", "Worker errors that were recovered.", "operation"),
		linesInDoubt:    linesInDoubt{byInvoice: map[string]lineInDoubt{}},
	}
	oldestOpts := prometheus.GaugeOpts{Name: "sending_oldest_seconds", Help: "Age of the oldest line in doubt that this process left."}
	factory.NewGaugeFunc(oldestOpts, m.linesInDoubt.oldest)
	m.initialize()
	return m
}

// initialize creates the series that alerts use with the value 0. Otherwise increase() in PromQL would ignore their
// first count.
func (m *metrics) initialize() {
	for _, action := range []queue.Action{queue.Ack, queue.Retry, queue.DeadLetter} {
		m.messages.WithLabelValues(action.String())
	}
	m.settlements.WithLabelValues(string(billing.Closed), "")
	m.settlements.WithLabelValues(closedWithoutCharges, "")
	for _, reason := range billing.Reasons() {
		m.settlements.WithLabelValues(rejected, string(reason))
		if atRisk[reason] {
			m.revenueAtRisk.WithLabelValues(string(reason))
		}
	}
	for _, operation := range []string{"receive", "heartbeat", "handle"} {
		m.workerFailures.WithLabelValues(operation)
	}
}

// gauges has the sources of the metrics that are read at each scrape.
type gauges struct {
	limiter           *ratelimit.Limiter
	requestsPerMinute int
	breaker           *settlement.Breaker
	member            *member
	clocks            *clockChecker
}

func (g gauges) register(registry *prometheus.Registry) {
	factory := telemetry.Metrics(registry)
	gauge := func(name, help string, value func() float64) {
		factory.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	scale := func() float64 { return ratio(g.limiter.Status().Scale) }
	gauge("ratelimit_scale_ratio", "Part of chargebee.requests_per_minute that all processes use; below 1 after a 429.", scale)
	gauge("ratelimit_limit", "Calls to Chargebee per minute that all processes together may make now.", func() float64 {
		return float64(g.requestsPerMinute) * scale()
	})
	gauge("ratelimit_paused", "1 while calls to Chargebee are paused or the circuit breaker is open.", func() float64 {
		status := g.limiter.Status()
		if status.Pause.InForce() || status.OperatorPause.InForce() || g.breaker.Open() {
			return 1
		}
		return 0
	})
	gauge("ratelimit_waiting", "Calls of this process that wait for a permit.", func() float64 { return float64(g.limiter.Status().Waiting) })
	permits := prometheus.CounterOpts{Name: "ratelimit_permits_total", Help: "Permits for calls to Chargebee granted to this process."}
	factory.NewCounterFunc(permits, func() float64 { return float64(g.limiter.Status().Granted) })
	gauge("settings_differences", "Settings in which another running consumer differs from this process.", g.member.countDifferences)
	gauge("clock_difference_seconds", "Smallest certain difference between the clock of this process and Chargebee's, by the last response; negative: it is behind.", g.clocks.seconds)
}

// ratio returns a scale of the rate limiter as a number from 0 to 1.
func ratio(scale int64) float64 { return float64(scale) / ratelimit.FullScale }

// Values of outcomeLabel.
const (
	rejected             = "rejected"               // the message became a dead letter
	closedWithoutCharges = "closed_without_charges" // billing.Closed without a line of Billable
)

// outcomeLabel returns the outcome of a session, as in metrics, log and spans.
func outcomeLabel(report settlement.Report) string {
	switch {
	case report.Repeated:
		return "repeated"
	case report.Outcome.Action == queue.DeadLetter:
		return rejected
	case report.Outcome.Action == queue.Ack && report.ClosedWithoutCharges():
		return closedWithoutCharges
	case report.Outcome.Action == queue.Ack:
		return string(report.InvoiceOutcome)
	default:
		return "deferred"
	}
}

// atRisk has the reasons after which revenue may be lost unless an operator acts.
var atRisk = map[billing.Reason]bool{
	billing.InvoiceNotPending: true,
	billing.SuccessorUnknown:  true,
	billing.LineRemoved:       true,
}

func (m *metrics) recordSession(report settlement.Report) {
	if report.InvoiceID == "" && report.Outcome.Action == queue.Ack {
		m.ignored.Inc()
		return
	}
	m.settlements.WithLabelValues(outcomeLabel(report), string(report.Reason)).Inc()
	if report.InvoiceID == "" {
		return // the other metrics are of invoices
	}
	m.duration.Observe(report.Duration.Seconds())
	m.linesInDoubt.record(report)
	m.carriedForward.Add(float64(report.CarriedForward))
	m.recordBilled(report)
	if report.UnknownInvoice {
		m.unknownInvoices.Inc()
	}
	if report.Outcome.Action == queue.DeadLetter && atRisk[report.Reason] {
		m.revenueAtRisk.WithLabelValues(string(report.Reason)).Inc()
	}
}

func (m *metrics) recordBilled(report settlement.Report) {
	if report.Outcome.Action != queue.Ack || report.Billed.Events == 0 {
		return
	}
	currency := currencyLabel(report.Billed.CurrencyCode)
	m.billedEvents.WithLabelValues(currency).Add(float64(report.Billed.Events))
	m.billedLines.WithLabelValues(currency).Add(float64(report.Billed.Lines))
	m.billedAmount.WithLabelValues(currency).Add(float64(report.Billed.Amount))
}

// currencyLabel returns the code if it has the form of ISO 4217, otherwise "other". A site has few currencies.
func currencyLabel(code string) string {
	isCapital := func(r rune) bool { return r >= 'A' && r <= 'Z' }
	if len(code) != 3 || strings.TrimFunc(code, isCapital) != "" {
		return "other"
	}
	return code
}

// linesInDoubt holds the lines in doubt that sessions of this process left, one per invoice at most.
type linesInDoubt struct {
	mu        sync.Mutex
	byInvoice map[string]lineInDoubt
}

type lineInDoubt struct {
	since int64     // unix seconds
	until time.Time // when it is dropped, because another process has received the message
}

// maxMessageWait is the assumed maximum time from the visibility of a message to its receive. After it, another
// process has the message and reports the line; or all calls are paused, which other metrics show.
const maxMessageWait = 15 * time.Minute

func (l *linesInDoubt) record(report settlement.Report) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byInvoice, report.InvoiceID)
	if report.SendingSince != 0 && report.Outcome.Action == queue.Retry {
		l.byInvoice[report.InvoiceID] = lineInDoubt{report.SendingSince, time.Now().Add(report.Outcome.Delay + maxMessageWait)}
	}
}

// oldest returns the age of the oldest line in seconds, or 0.
func (l *linesInDoubt) oldest() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	var oldest int64
	for invoiceID, line := range l.byInvoice {
		if now.After(line.until) {
			delete(l.byInvoice, invoiceID)
		} else {
			oldest = max(oldest, now.Unix()-line.since)
		}
	}
	return float64(oldest)
}
