package receiver

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/truncate"
	"github.com/billable-events/billable/pkg/webhook"
)

const (
	// maxErrorLines is the maximum number of log lines about failed requests per second, for each sampler of
	// observer and each level. Metrics count every request.
	maxErrorLines = 100
	// maxSuccessLines is the maximum number of info lines about successful requests per second. Further
	// requests are logged at debug.
	maxSuccessLines = 1
	// maxLoggedText is the maximum length in bytes of each text from a request in a log line.
	maxLoggedText = 200
)

// observer is a webhook.Observer: it records metrics, a span and a log line for each request.
type observer struct {
	metrics   *metrics
	logger    zerolog.Logger
	errors    zerolog.Logger  // sampled, for failed requests except those of refused
	refused   zerolog.Logger  // sampled, for invalidStatuses: many invalid webhooks do not hide errors of SQS
	successes zerolog.Sampler // selects the successful requests that are logged at info
}

func newObserver(metrics *metrics, logger zerolog.Logger) observer {
	return observer{
		metrics: metrics,
		logger:  logger,
		errors: logger.Sample(zerolog.LevelSampler{
			InfoSampler:  perSecond(maxErrorLines),
			WarnSampler:  perSecond(maxErrorLines),
			ErrorSampler: perSecond(maxErrorLines),
		}),
		refused:   logger.Sample(perSecond(maxErrorLines)),
		successes: perSecond(maxSuccessLines),
	}
}

// perSecond returns a sampler that selects the first lines of each second.
func perSecond(lines uint32) zerolog.Sampler {
	return &zerolog.BurstSampler{Burst: lines, Period: time.Second}
}

func (o observer) RequestDone(ctx context.Context, result webhook.RequestResult) {
	o.metrics.recordRequest(result)
	recordSpan(ctx, result)
	logger, level := o.levelFor(result.Status)
	line := logger.WithLevel(level).Ctx(ctx).Err(result.Err)
	if result.Status >= http.StatusMultipleChoices {
		line.Str("client.address", result.ClientAddress)
	}
	line.
		Int("status", result.Status).
		Str("event_type", truncated(result.EventType)).
		Str("event_id", truncated(result.EventID)).
		Str("invoice_id", truncated(result.InvoiceID)).
		Str("messaging.message.id", result.MessageID).
		Int64("bytes", result.Bytes).
		Dur("duration_ms", result.Duration).
		Msg("webhook answered")
}

// invalidStatuses are the response statuses of requests with valid credentials whose content is refused.
// Chargebee repeats such a webhook for a limited time, and then gives up.
var invalidStatuses = []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType}

// levelFor returns the logger and the level of the line about a response.
func (o observer) levelFor(status int) (*zerolog.Logger, zerolog.Level) {
	switch {
	case status < http.StatusMultipleChoices && o.successes.Sample(zerolog.InfoLevel):
		return &o.logger, zerolog.InfoLevel
	case status < http.StatusMultipleChoices:
		return &o.logger, zerolog.DebugLevel
	case status == http.StatusInternalServerError: // a defect
		return &o.errors, zerolog.ErrorLevel
	case status > http.StatusInternalServerError:
		return &o.errors, zerolog.WarnLevel
	case slices.Contains(invalidStatuses, status):
		return &o.refused, zerolog.WarnLevel
	default:
		return &o.errors, zerolog.InfoLevel
	}
}

func truncated(text string) string { return truncate.Bytes(text, maxLoggedText) }
