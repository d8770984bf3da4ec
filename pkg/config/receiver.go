package config

import "time"

// MaxBodyBytes is the largest webhook body that fits an SQS message of 1 MiB
// together with its attributes.
const MaxBodyBytes = 1<<20 - 8<<10

// Receiver is the settings of the receiver.
type Receiver struct {
	HTTP  HTTP          `key:"http"`
	Admin Admin         `key:"admin"`
	Auth  Auth          `key:"auth"`
	Queue ReceiverQueue `key:"queue"`
	Log   Log           `key:"log"`
}

// HTTP is the listener for webhooks.
type HTTP struct {
	Addr             string        `key:"addr"`
	MaxInFlight      int           `key:"max_in_flight"`       // requests
	MaxInFlightBytes Bytes         `key:"max_in_flight_bytes"` // of their bodies together
	MaxBodyBytes     Bytes         `key:"max_body_bytes"`
	RequestTimeout   time.Duration `key:"request_timeout"` // from the first byte of the body to the answer
	ShutdownDelay    time.Duration `key:"shutdown_delay"`  // from unready to no longer accepting
}

// ReceiverQueue is where webhooks go.
type ReceiverQueue struct {
	URL string `key:"url"`
}

// DefaultReceiver returns the settings that hold where nothing else is said.
func DefaultReceiver() Receiver {
	return Receiver{
		HTTP: HTTP{
			Addr:             ":8080",
			MaxInFlight:      1000,
			MaxInFlightBytes: 64 << 20,
			MaxBodyBytes:     MaxBodyBytes,
			RequestTimeout:   5 * time.Second,
			ShutdownDelay:    5 * time.Second,
		},
		Admin: Admin{Addr: ":9090"},
		Log:   Log{Level: "info", Format: "json"},
	}
}

// LoadReceiver returns the receiver's settings and warnings about the source. An
// *Error reports every fault.
func LoadReceiver(source Source) (Receiver, []string, error) {
	settings := DefaultReceiver()
	loaded, err := load(source, &settings)
	if err != nil {
		return settings, nil, err
	}
	settings.Auth.files = loaded.files
	return settings, loaded.warnings, finish(loaded.faults, settings.validate())
}

func (r Receiver) validate() faults {
	var f faults
	f.atLeast("http.max_in_flight", int64(r.HTTP.MaxInFlight), 1)
	f.atLeast("http.max_body_bytes", int64(r.HTTP.MaxBodyBytes), 1)
	f.require(r.HTTP.MaxBodyBytes <= MaxBodyBytes, "http.max_body_bytes", "it is above 1040384, the most that fits an SQS message with its attributes")
	f.require(r.HTTP.MaxInFlightBytes >= r.HTTP.MaxBodyBytes, "http.max_in_flight_bytes", "it is below http.max_body_bytes: the largest body could never be taken")
	f.positive("http.request_timeout", r.HTTP.RequestTimeout)
	f.require(r.HTTP.ShutdownDelay >= time.Second, "http.shutdown_delay", "it is below 1s: load balancers need time to notice")
	f.missing("queue.url", r.Queue.URL)
	r.Auth.validate(&f)
	f.log(r.Log)
	return f
}
