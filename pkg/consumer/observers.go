package consumer

import (
	"context"

	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/chargebeeapi"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/settlement"
	"github.com/billable-events/billable/pkg/telemetry"
)

// observer records metrics, logs and spans.
type observer struct {
	metrics *metrics
	logger  zerolog.Logger
	tracing *telemetry.Tracing // may be nil
}

// settlementObserver is a settlement.Observer. It writes one log line per session.
type settlementObserver struct{ observer }

func (o settlementObserver) Handled(ctx context.Context, report settlement.Report) {
	o.metrics.recordSession(report)
	setSessionAttributes(ctx, report)
	entry := o.logger.WithLevel(sessionLevel(report)).Ctx(ctx).Err(report.Err).
		Str("messaging.message.id", report.MessageID).
		Str("event_id", report.EventID).
		Str("invoice_id", report.InvoiceID).
		Str("verdict", report.Outcome.Action.String()).
		Str("outcome", outcomeLabel(report)).
		Dur("duration_ms", report.Duration)
	if report.InvoiceID == "" {
		entry = entry.Str("event_type", report.EventType)
	} else {
		entry = entry.
			Str("state", string(report.State)).
			Int("attempts", report.Attempts).
			Int("events", report.Events).
			Int("lines", report.Lines).
			Int("carried_forward", report.CarriedForward)
	}
	switch {
	case report.Outcome.Action == queue.Retry:
		entry = entry.Str("reason", report.DeferReason).Dur("delay_ms", report.Outcome.Delay)
	case report.Reason != "":
		entry = entry.Str("reason", string(report.Reason)).Str("detail", report.Outcome.Detail)
	}
	entry.Msg("message handled")
}

func sessionLevel(report settlement.Report) zerolog.Level {
	switch {
	case report.Err != nil:
		return zerolog.ErrorLevel
	case report.Outcome.Action == queue.DeadLetter:
		return zerolog.WarnLevel
	default:
		return zerolog.InfoLevel
	}
}

func (o settlementObserver) Mismatched(invoiceID string, claimed billing.Event, found billing.ChangedEvent) {
	o.metrics.mismatched.Inc()
	o.logger.Error().
		Str("invoice_id", invoiceID).
		Str("event", found.EventKey.String()).
		Str("status", found.Status).
		Str("event_invoice_id", found.InvoiceID).
		Str("claimed", claimed.Values()).
		Str("current", found.Current.Values()).
		Msg("event does not match the ledger")
}

// workerObserver is a worker.Observer.
type workerObserver struct{ observer }

func (o workerObserver) Handled(message queue.Message, outcome queue.Outcome, err error) {
	o.metrics.messages.WithLabelValues(outcome.Action.String()).Inc()
	if err != nil {
		o.logger.Warn().Err(err).
			Str("messaging.message.id", message.ID).
			Str("verdict", outcome.Action.String()).
			Msg("outcome not carried out; message will be delivered again")
	}
}

func (o workerObserver) Failed(operation string, err error) {
	o.metrics.workerFailures.WithLabelValues(operation).Inc()
	o.logger.Warn().Err(err).Str("operation", operation).Msg("worker error")
}

func (o observer) recordCall(ctx context.Context, observation chargebeeapi.Observation) {
	o.metrics.requests.WithLabelValues(observation.Operation, observation.Kind).Inc()
	o.metrics.requestDuration.WithLabelValues(observation.Operation).Observe(observation.Duration.Seconds())
	if o.tracing != nil {
		recordCallSpan(ctx, o.tracing, observation)
	}
	if observation.Kind == billing.Unauthorized.String() {
		o.logger.Error().Ctx(ctx).Str("operation", observation.Operation).Int("status", observation.Status).
			Msg("Chargebee refused the API key or the site")
	}
}

// recordRateLimit logs a changed state of the rate limiter. While the limit is reduced without a pause it grows
// every minute, which is logged at debug.
func (o observer) recordRateLimit(status ratelimit.Status) {
	level := zerolog.InfoLevel
	switch {
	case status.Err != nil:
		level = zerolog.WarnLevel
	case status.Scale < ratelimit.FullScale && !status.Pause.InForce() && !status.OperatorPause.InForce():
		level = zerolog.DebugLevel
	}
	entry := o.logger.WithLevel(level).Err(status.Err).Float64("scale", ratio(status.Scale))
	if pause := status.Pause; pause.InForce() {
		entry = entry.Str("pause", pause.Reason).Int64("pause_s", pause.Seconds)
	}
	if pause := status.OperatorPause; pause.InForce() {
		entry = entry.Str("operator_pause", pause.Reason)
	}
	entry.Msg("rate limit changed")
}
