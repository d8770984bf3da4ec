package config

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Consumer holds the settings of the consumer and of its commands.
type Consumer struct {
	Admin     Admin         `key:"admin"`
	Queue     ConsumerQueue `key:"queue"`
	Worker    Worker        `key:"worker"`
	Events    Events        `key:"events"`
	Ledger    Ledger        `key:"ledger"`
	Chargebee Chargebee     `key:"chargebee"`
	Clock     Clock         `key:"clock"`
	RateLimit RateLimit     `key:"ratelimit"`
	Invoice   Invoice       `key:"invoice"`
	Charges   Charges       // read by readCharges
	Log       Log           `key:"log"`

	secretFiles
}

// ConsumerQueue holds the queue of webhook events and its dead-letter queue.
type ConsumerQueue struct {
	URL           string `key:"url"`
	DeadLetterURL string `key:"dead_letter_url"`
}

// Worker configures the pool that handles messages.
type Worker struct {
	Concurrency       int           `key:"concurrency"`        // messages at the same time
	VisibilityTimeout time.Duration `key:"visibility_timeout"` // until a message without heartbeats becomes visible again
	DrainTimeout      time.Duration `key:"drain_timeout"`      // for the sessions that run at shutdown
	MaxAttempts       int           `key:"max_attempts"`       // sessions without progress; then the message is a dead letter
}

// Events is the table of billable events.
type Events struct {
	Table string `key:"table"`
}

// Ledger is the table of invoices.
type Ledger struct {
	Table string        `key:"table"`
	Lease time.Duration `key:"lease"` // until the lease of a record expires without renewal
}

// Chargebee is the site whose invoices are charged.
type Chargebee struct {
	Site              string        `key:"site"`
	APIKey            Secret        `key:"api_key"`
	BaseURL           string        `key:"base_url"` // of a fake; empty: derived from the site
	RequestsPerMinute int           `key:"requests_per_minute"`
	MaxConcurrent     int           `key:"max_concurrent"` // calls of all processes together
	CallTimeout       time.Duration `key:"call_timeout"`
	MaxEffectDelay    time.Duration `key:"max_effect_delay"`   // a call takes effect within this time, or never
	IdempotencyWindow time.Duration `key:"idempotency_window"` // Chargebee stores an idempotency key this long
}

// Clock holds the assumptions about clocks.
type Clock struct {
	MaxSkew time.Duration `key:"max_skew"` // between any two processes
}

// RateLimit holds the assumption of the rate limiter about the network to Chargebee.
type RateLimit struct {
	Jitter time.Duration `key:"jitter"` // maximum time from sending a call to its arrival
}

// Invoice configures the settlement of invoices.
type Invoice struct {
	Close              bool  `key:"close"`
	CloseWithoutEvents bool  `key:"close_without_events"`
	MaxAmount          int64 `key:"max_amount"`    // minor units; 0: no limit
	TrustWebhook       bool  `key:"trust_webhook"` // plan from a complete webhook without reading the invoice
}

// Keys for the parameter required of LoadConsumer.
const (
	QueueURL      = "queue.url"
	DeadLetterURL = "queue.dead_letter_url"
	ChargebeeSite = "chargebee.site"
	ChargebeeKey  = "chargebee.api_key"
)

const baseURLKey = "chargebee.base_url"

// DefaultConsumer returns the default settings.
func DefaultConsumer() Consumer {
	return Consumer{
		Admin: Admin{Addr: ":9091"},
		Worker: Worker{
			Concurrency:       10,
			VisibilityTimeout: time.Minute,
			DrainTimeout:      30 * time.Second,
			MaxAttempts:       10,
		},
		Events: Events{Table: "billable_events"},
		Ledger: Ledger{Table: "billable_invoices", Lease: time.Minute},
		Chargebee: Chargebee{
			RequestsPerMinute: 150,
			MaxConcurrent:     50,
			CallTimeout:       30 * time.Second,
			MaxEffectDelay:    5 * time.Minute,
			IdempotencyWindow: 30 * time.Minute,
		},
		Clock:     Clock{MaxSkew: 30 * time.Second},
		RateLimit: RateLimit{Jitter: time.Second},
		Invoice:   Invoice{Close: true, CloseWithoutEvents: true},
		Log:       Log{Level: "info", Format: "json"},
	}
}

// LoadConsumer returns the consumer's settings and warnings about the source. An *Error reports
// every invalid setting and every required key without a value; other errors are those of the file.
func LoadConsumer(source Source, required ...string) (settings Consumer, warnings []string, err error) {
	settings = DefaultConsumer()
	loaded, err := load(source, &settings, &settings.Charges)
	if err != nil {
		return settings, nil, err
	}
	settings.secretFiles = loaded.files
	return settings, loaded.warnings, joinErrors(loaded.errs, settings.validate(required))
}

// Reload returns the settings with the present content of the API key's file. An *Error reports a file
// that is unreadable or blank.
func (c Consumer) Reload() (Consumer, error) {
	readErrs := c.readFiles(&c, "")
	return c, joinErrors(readErrs, nil)
}

// siteNamePattern matches one label of a host name.
var siteNamePattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`)

func (c Consumer) validate(required []string) fieldErrors {
	var errs fieldErrors
	values := map[string]string{
		QueueURL:      c.Queue.URL,
		DeadLetterURL: c.Queue.DeadLetterURL,
		ChargebeeSite: c.Chargebee.URL(),
		ChargebeeKey:  c.Chargebee.APIKey.Reveal(),
	}
	for _, key := range required {
		errs.notEmpty(key, values[key])
	}
	errs.atLeast("worker.concurrency", int64(c.Worker.Concurrency), 1)
	errs.require(c.Worker.VisibilityTimeout >= 3*time.Second && c.Worker.VisibilityTimeout <= 12*time.Hour, "worker.visibility_timeout", "must be between 3s and 12h")
	errs.positive("worker.drain_timeout", c.Worker.DrainTimeout)
	errs.atLeast("worker.max_attempts", int64(c.Worker.MaxAttempts), 1)
	errs.require(c.Events.Table != "", "events.table", "must not be empty")
	errs.require(c.Ledger.Table != "" && c.Ledger.Table != c.Events.Table, "ledger.table", "must not be empty, nor the table of events")
	errs.require(c.Queue.URL == "" || c.Queue.URL != c.Queue.DeadLetterURL, DeadLetterURL, "is the same queue as queue.url: rejected messages would be handled again, forever")
	c.Chargebee.validate(&errs)
	c.validateTimes(&errs)
	errs.atLeast("invoice.max_amount", c.Invoice.MaxAmount, 0)
	c.Log.validate(&errs)
	return errs
}

// MaxPlanRate is the number of calls per minute of the largest plan, apart from custom ones.
// https://www.chargebee.com/docs/billing/2.0/kb/platform/what-are-the-chargebee-api-limits
const MaxPlanRate = 3500

// URL returns the base URL of the API; empty if neither chargebee.base_url nor chargebee.site is set.
func (c Chargebee) URL() string {
	if c.BaseURL == "" && c.Site != "" {
		return "https://" + c.Site + ".chargebee.com"
	}
	return c.BaseURL
}

func (c Chargebee) validate(errs *fieldErrors) {
	errs.require(c.Site == "" || siteNamePattern.MatchString(c.Site), "chargebee.site", fmt.Sprintf("invalid site name %q: use it without .chargebee.com", c.Site))
	if c.BaseURL != "" {
		errs.require(c.Site == "", baseURLKey, "is set together with chargebee.site, which would not be used: remove one of them")
		base, err := url.Parse(c.BaseURL)
		switch {
		case err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" || base.RawQuery != "" || base.User != nil:
			errs.add(baseURLKey, "invalid URL: use one like http://127.0.0.1:9333")
		case base.Scheme == "http" && !isLocal(base.Hostname()):
			errs.add(baseURLKey, "use https: with http, the API key could be read on the way to "+base.Hostname())
		}
	}
	errs.atLeast("chargebee.requests_per_minute", int64(c.RequestsPerMinute), 10)
	errs.require(c.Site == "" || c.RequestsPerMinute <= MaxPlanRate, "chargebee.requests_per_minute",
		fmt.Sprintf("%d is above the limit of every plan (%d): use that of the site's plan; with a custom plan, set chargebee.base_url instead of chargebee.site", c.RequestsPerMinute, MaxPlanRate))
	errs.atLeast("chargebee.max_concurrent", int64(c.MaxConcurrent), 1)
}

// isLocal reports whether calls to a host stay on this machine or in a network of containers: its host
// names have no dot.
func isLocal(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	return !strings.Contains(host, ".")
}

// validateTimes checks the times, and the relations between them that exactly-once charging depends on.
func (c Consumer) validateTimes(errs *fieldErrors) {
	call, delay, window, skew := c.Chargebee.CallTimeout, c.Chargebee.MaxEffectDelay, c.Chargebee.IdempotencyWindow, c.Clock.MaxSkew
	errs.positive("chargebee.call_timeout", call)
	errs.require(delay >= call, "chargebee.max_effect_delay", fmt.Sprintf("%s must be at least chargebee.call_timeout (%s): until then a call can take effect", delay, call))
	errs.require(skew >= 0, "clock.max_skew", "must not be negative")
	errs.require(c.RateLimit.Jitter >= 0, "ratelimit.jitter", "must not be negative")
	windowLimit := 3*delay + 2*skew
	errs.require(window > windowLimit, "chargebee.idempotency_window", fmt.Sprintf("%s must be above 3 · chargebee.max_effect_delay + 2 · clock.max_skew (%s), so that time is left to send a line again", window, windowLimit))
	errs.require(c.Ledger.Lease >= 2*call, "ledger.lease", fmt.Sprintf("%s must be at least 2 · chargebee.call_timeout (%s)", c.Ledger.Lease, 2*call))
}
