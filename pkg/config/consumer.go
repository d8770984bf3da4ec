package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"time"
)

// Consumer is the settings of the consumer and of its commands.
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
	Charges   Charges       `key:"charges"`
	Log       Log           `key:"log"`
}

// ConsumerQueue is where webhooks come from, and where what cannot be billed goes.
type ConsumerQueue struct {
	URL           string `key:"url"`
	DeadLetterURL string `key:"dead_letter_url"`
}

// Worker is the pool that handles messages.
type Worker struct {
	Concurrency       int           `key:"concurrency"`        // messages at the same time
	VisibilityTimeout time.Duration `key:"visibility_timeout"` // how long a message is ours without a heartbeat
	DrainTimeout      time.Duration `key:"drain_timeout"`      // for what is under way at shutdown
	MaxAttempts       int           `key:"max_attempts"`       // handlings without progress
}

// Events is the table of billable events.
type Events struct {
	Table string `key:"table"`
}

// Ledger is the table of invoices.
type Ledger struct {
	Table string        `key:"table"`
	Lease time.Duration `key:"lease"` // how long an invoice is a pod's without a sign of life
}

// Chargebee is the site that is billed on.
type Chargebee struct {
	Site              string        `key:"site"`
	APIKey            Secret        `key:"api_key"`
	BaseURL           string        `key:"base_url"` // of a stand-in; empty: from the site
	RequestsPerMinute int           `key:"requests_per_minute"`
	MaxConcurrent     int           `key:"max_concurrent"`
	CallTimeout       time.Duration `key:"call_timeout"`
	MaxEffectDelay    time.Duration `key:"max_effect_delay"`   // a call has its effect within this time, or never
	IdempotencyWindow time.Duration `key:"idempotency_window"` // how long Chargebee remembers a key
}

// Clock is what is assumed about clocks.
type Clock struct {
	MaxSkew time.Duration `key:"max_skew"` // between any two pods
}

// RateLimit is what the rate limiter assumes about the network to Chargebee.
type RateLimit struct {
	Jitter time.Duration `key:"jitter"` // the longest time from the wire to the arrival
}

// Invoice is what becomes of invoices.
type Invoice struct {
	Close              bool  `key:"close"`
	CloseWithoutEvents bool  `key:"close_without_events"`
	MaxAmount          int64 `key:"max_amount"`    // minor units; 0: no limit
	TrustWebhook       bool  `key:"trust_webhook"` // take a complete webhook for what the invoice is
}

// The keys that a command may require. Commands that need none of them run with
// defaults alone.
const (
	QueueURL      = "queue.url"
	DeadLetterURL = "queue.dead_letter_url"
	ChargebeeSite = "chargebee.site"
	ChargebeeKey  = "chargebee.api_key"
)

// DefaultConsumer returns the settings that hold where nothing else is said.
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

// LoadConsumer returns the consumer's settings and warnings about the source. An
// *Error reports every fault; a required key without a value is one.
func LoadConsumer(source Source, required ...string) (Consumer, []string, error) {
	settings := DefaultConsumer()
	loaded, err := load(source, &settings)
	if err != nil {
		return settings, nil, err
	}
	return settings, loaded.warnings, finish(loaded.faults, settings.validate(required))
}

// siteName is what can be a part of a host name: the SDK panics over anything else.
var siteName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`)

func (c Consumer) validate(required []string) faults {
	var f faults
	for key, value := range map[string]string{
		QueueURL:      c.Queue.URL,
		DeadLetterURL: c.Queue.DeadLetterURL,
		ChargebeeSite: c.Chargebee.Site + c.Chargebee.BaseURL,
		ChargebeeKey:  c.Chargebee.APIKey.Reveal(),
	} {
		if slices.Contains(required, key) {
			f.missing(key, value)
		}
	}
	slices.SortFunc(f, func(a, b Fault) int { return slices.Index(required, a.Key) - slices.Index(required, b.Key) })

	f.atLeast("worker.concurrency", int64(c.Worker.Concurrency), 1)
	f.require(c.Worker.VisibilityTimeout >= 3*time.Second && c.Worker.VisibilityTimeout <= 12*time.Hour, "worker.visibility_timeout", "it is not between 3s and 12h")
	f.positive("worker.drain_timeout", c.Worker.DrainTimeout)
	f.atLeast("worker.max_attempts", int64(c.Worker.MaxAttempts), 1)
	f.require(c.Events.Table != "", "events.table", "it is empty")
	f.require(c.Ledger.Table != "" && c.Ledger.Table != c.Events.Table, "ledger.table", "it is empty or the table of events")
	c.Chargebee.validate(&f)
	c.validateTimes(&f)
	f.atLeast("invoice.max_amount", c.Invoice.MaxAmount, 0)
	f.log(c.Log)
	return f
}

func (c Chargebee) validate(f *faults) {
	f.require(c.Site == "" || siteName.MatchString(c.Site), "chargebee.site", fmt.Sprintf("%q is no site name: give it without .chargebee.com", c.Site))
	if c.BaseURL != "" {
		base, err := url.Parse(c.BaseURL)
		ok := err == nil && (base.Scheme == "http" || base.Scheme == "https") && base.Host != "" && base.RawQuery == "" && base.User == nil
		f.require(ok, "chargebee.base_url", "it is no URL like http://127.0.0.1:9333")
	}
	f.atLeast("chargebee.requests_per_minute", int64(c.RequestsPerMinute), 10)
	f.atLeast("chargebee.max_concurrent", int64(c.MaxConcurrent), 1)
}

// validateTimes refuses times that contradict each other: the promise stands on
// their relations.
func (c Consumer) validateTimes(f *faults) {
	call, late, window, skew := c.Chargebee.CallTimeout, c.Chargebee.MaxEffectDelay, c.Chargebee.IdempotencyWindow, c.Clock.MaxSkew
	f.positive("chargebee.call_timeout", call)
	f.require(late >= call, "chargebee.max_effect_delay", fmt.Sprintf("%s is below chargebee.call_timeout (%s): a call that still runs can have its effect", late, call))
	f.require(skew >= 0, "clock.max_skew", "it is below 0")
	f.require(c.RateLimit.Jitter >= 0, "ratelimit.jitter", "it is below 0")
	f.require(window > 3*late+2*skew, "chargebee.idempotency_window", fmt.Sprintf("%s is not above 3 · chargebee.max_effect_delay + 2 · clock.max_skew (%s): no time is left to send a line again", window, 3*late+2*skew))
	f.require(c.Ledger.Lease >= 2*call, "ledger.lease", fmt.Sprintf("%s is below 2 · chargebee.call_timeout (%s)", c.Ledger.Lease, 2*call))
}
