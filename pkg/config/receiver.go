package config

import "time"

// MaxBodyBytes is the maximum size of a webhook body: an SQS message may have 1 MiB, of which 8 KiB are
// left for its attributes.
const MaxBodyBytes = 1<<20 - 8<<10

// Receiver holds the settings of the receiver.
type Receiver struct {
	HTTP  HTTP          `key:"http"`
	Admin Admin         `key:"admin"`
	Auth  Auth          `key:"auth"`
	Queue ReceiverQueue `key:"queue"`
	Log   Log           `key:"log"`
}

// HTTP configures the listener for webhooks.
type HTTP struct {
	Addr             string        `key:"addr"`
	MaxInFlight      int           `key:"max_in_flight"`       // concurrent requests
	MaxInFlightBytes Bytes         `key:"max_in_flight_bytes"` // bodies of concurrent requests together
	MaxBodyBytes     Bytes         `key:"max_body_bytes"`
	RequestTimeout   time.Duration `key:"request_timeout"` // to read the body and enqueue the event
	IdleTimeout      time.Duration `key:"idle_timeout"`    // of a connection without a request
	ShutdownDelay    time.Duration `key:"shutdown_delay"`  // from unready to closing the listener
	TrustedProxies   Networks      `key:"trusted_proxies"` // whose X-Forwarded-For is used
}

// ReceiverQueue is the queue to which the receiver sends webhook events.
type ReceiverQueue struct {
	URL string `key:"url"`
}

// DefaultReceiver returns the default settings.
func DefaultReceiver() Receiver {
	return Receiver{
		HTTP: HTTP{
			Addr:             ":8080",
			MaxInFlight:      1000,
			MaxInFlightBytes: 64 << 20,
			MaxBodyBytes:     MaxBodyBytes,
			RequestTimeout:   5 * time.Second,
			IdleTimeout:      620 * time.Second, // longer than the 600 s of Google's load balancers
			ShutdownDelay:    5 * time.Second,
		},
		Admin: Admin{Addr: ":9090"},
		Log:   Log{Level: "info", Format: "json"},
	}
}

// LoadReceiver returns the receiver's settings and warnings about the source. An *Error reports every
// invalid setting; other errors are those of the file.
func LoadReceiver(source Source) (settings Receiver, warnings []string, err error) {
	settings = DefaultReceiver()
	loaded, err := load(source, &settings, nil)
	if err != nil {
		return settings, nil, err
	}
	settings.Auth.secretFiles = loaded.files
	return settings, loaded.warnings, joinErrors(loaded.errs, settings.validate())
}

func (r Receiver) validate() fieldErrors {
	var errs fieldErrors
	errs.atLeast("http.max_in_flight", int64(r.HTTP.MaxInFlight), 1)
	errs.atLeast("http.max_body_bytes", int64(r.HTTP.MaxBodyBytes), 1)
	errs.require(r.HTTP.MaxBodyBytes <= MaxBodyBytes, "http.max_body_bytes", "must be at most 1040384, so that an SQS message holds it with its attributes")
	errs.require(r.HTTP.MaxInFlightBytes >= r.HTTP.MaxBodyBytes, "http.max_in_flight_bytes", "must be at least http.max_body_bytes, otherwise the largest body is never accepted")
	errs.positive("http.request_timeout", r.HTTP.RequestTimeout)
	errs.positive("http.idle_timeout", r.HTTP.IdleTimeout)
	errs.require(r.HTTP.ShutdownDelay >= time.Second, "http.shutdown_delay", "must be at least 1s: load balancers need time to notice")
	errs.notEmpty("queue.url", r.Queue.URL)
	r.Auth.validate(&errs)
	r.Log.validate(&errs)
	return errs
}
