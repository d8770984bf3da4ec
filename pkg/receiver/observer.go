package receiver

import (
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/webhook"
)

const (
	// maxRefusalLines bounds the lines per second about requests that got no success,
	// which come in floods; the metrics count all.
	maxRefusalLines = 100
	// maxLoggedText bounds what a line repeats of a request.
	maxLoggedText = 200
)

// observer is a webhook.Observer: it counts each request, and writes one line for it.
type observer struct {
	metrics  *metrics
	taken    zerolog.Logger
	refusals zerolog.Logger
}

func newObserver(metrics *metrics, logger zerolog.Logger) observer {
	return observer{
		metrics:  metrics,
		taken:    logger,
		refusals: logger.Sample(&zerolog.BurstSampler{Burst: maxRefusalLines, Period: time.Second}),
	}
}

// Answered implements webhook.Observer.
func (o observer) Answered(report webhook.Report) {
	o.metrics.answered(report)
	logger, level := o.logger(report.Status)
	logger.WithLevel(level).Err(report.Err).
		Int("status", report.Status).
		Str("event_type", bounded(report.EventType)).
		Str("event_id", bounded(report.EventID)).
		Str("invoice_id", bounded(report.InvoiceID)).
		Str("message_id", report.MessageID).
		Int64("bytes", report.Bytes).
		Dur("took_ms", report.Took).
		Msg("webhook answered")
}

// logger returns where a request with this answer is logged, and at which level. What
// went well is said on request only: the metrics say it, and the queue.
func (o observer) logger(status int) (*zerolog.Logger, zerolog.Level) {
	switch {
	case status < http.StatusMultipleChoices:
		return &o.taken, zerolog.DebugLevel
	case status == http.StatusInternalServerError: // a defect
		return &o.taken, zerolog.ErrorLevel
	case status > http.StatusInternalServerError:
		return &o.refusals, zerolog.WarnLevel
	default:
		return &o.refusals, zerolog.InfoLevel
	}
}

func bounded(text string) string {
	if len(text) > maxLoggedText {
		return text[:maxLoggedText]
	}
	return text
}
