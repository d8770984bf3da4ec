package receiver

import (
	"context"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/truncate"
	"github.com/billable-events/billable/pkg/webhook"
)

const (
	// maxRefusalLines bounds the lines per second and level about requests that got no
	// success, which come in floods; the metrics count all.
	maxRefusalLines = 100
	// maxTakenLines bounds those per second about requests that got one. All of them are
	// told at debug: otherwise the metrics say it, and the queue.
	maxTakenLines = 1
	// maxLoggedText bounds what a line repeats of a request.
	maxLoggedText = 200
)

// observer is a webhook.Observer: it counts each request, and writes one line for it.
type observer struct {
	metrics  *metrics
	logger   zerolog.Logger
	refusals zerolog.Logger
	samples  zerolog.Sampler // of requests that got a success
}

func newObserver(metrics *metrics, logger zerolog.Logger) observer {
	return observer{
		metrics: metrics,
		logger:  logger,
		refusals: logger.Sample(zerolog.LevelSampler{
			InfoSampler:  perSecond(maxRefusalLines),
			WarnSampler:  perSecond(maxRefusalLines),
			ErrorSampler: perSecond(maxRefusalLines),
		}),
		samples: perSecond(maxTakenLines),
	}
}

func perSecond(lines uint32) zerolog.Sampler {
	return &zerolog.BurstSampler{Burst: lines, Period: time.Second}
}

// RequestDone implements webhook.Observer.
func (o observer) RequestDone(ctx context.Context, report webhook.RequestResult) {
	o.metrics.answered(report)
	answered(ctx, report)
	logger, level := o.place(report.Status)
	logger.WithLevel(level).Ctx(ctx).Err(report.Err).
		Int("status", report.Status).
		Str("event_type", truncated(report.EventType)).
		Str("event_id", truncated(report.EventID)).
		Str("invoice_id", truncated(report.InvoiceID)).
		Str("messaging.message.id", report.MessageID).
		Int64("bytes", report.Bytes).
		Dur("duration_ms", report.Duration).
		Msg("webhook answered")
}

// place returns where a request with this answer is logged, and at which level.
func (o observer) place(status int) (*zerolog.Logger, zerolog.Level) {
	switch {
	case status < http.StatusMultipleChoices && o.samples.Sample(zerolog.InfoLevel):
		return &o.logger, zerolog.InfoLevel
	case status < http.StatusMultipleChoices:
		return &o.logger, zerolog.DebugLevel
	case status == http.StatusInternalServerError: // a defect
		return &o.refusals, zerolog.ErrorLevel
	case status > http.StatusInternalServerError:
		return &o.refusals, zerolog.WarnLevel
	default:
		return &o.refusals, zerolog.InfoLevel
	}
}

func truncated(text string) string { return truncate.Bytes(text, maxLoggedText) }
