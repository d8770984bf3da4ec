package chargebeeapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/chargebee/chargebee-go/v3"
)

// Config configures a Client.
type Config struct {
	BaseURL string // of the site or of a fake, for example https://acme-test.chargebee.com
	APIKey  string

	MaxConcurrent int               // maximum number of idle connections; does not limit calls. Defaults to 50
	CallTimeout   time.Duration     // of one call; its context can end earlier. Defaults to 30 s
	Now           func() time.Time  // defaults to time.Now
	Transport     http.RoundTripper // defaults to HTTP/1.1

	// Observe is called after each call for which the permit was spent, with the context of the call, also if
	// connecting failed. It must not block. May be nil.
	Observe func(context.Context, Observation)
}

// Observation describes a call for which the permit was spent.
type Observation struct {
	Operation string // add_charge, add_charge_item, close, retrieve, list
	Method    string // of HTTP
	Host      string // of the site
	Kind      string // "ok", or the name of a billing.Kind
	Status    int    // of HTTP; 0 without a response
	Started   time.Time
	Duration  time.Duration
	Date      time.Time // Date header of a successful response: the clock of the site; zero if unknown
}

const (
	defaultConcurrent  = 50
	defaultCallTimeout = 30 * time.Second
)

// Client calls one Chargebee site. It is safe for concurrent use, and a process can have several.
type Client struct {
	config      Config
	base        *url.URL                              // of the site, without a slash at the end
	environment atomic.Pointer[chargebee.Environment] // holds the API key
}

// New returns a client of a site. It returns an error for a missing API key or an invalid base URL.
func New(config Config) (*Client, error) {
	base, err := parseBaseURL(config.BaseURL)
	if config.APIKey == "" {
		err = errors.Join(err, errors.New("missing API key"))
	}
	if err != nil {
		return nil, fmt.Errorf("chargebee: %w", err)
	}
	if config.MaxConcurrent <= 0 {
		config.MaxConcurrent = defaultConcurrent
	}
	if config.CallTimeout <= 0 {
		config.CallTimeout = defaultCallTimeout
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Transport == nil {
		config.Transport = newHTTPTransport(config.MaxConcurrent)
	}
	if config.Observe == nil {
		config.Observe = func(context.Context, Observation) {}
	}
	installTransport()
	client := &Client{config: config, base: base}
	client.SetAPIKey(config.APIKey)
	return client, nil
}

// SetAPIKey replaces the API key for later calls.
func (c *Client) SetAPIKey(key string) {
	// The transport replaces the host chargebee.invalid. A request that bypasses the transport fails,
	// because no names exist under .invalid (RFC 2606).
	c.environment.Store(&chargebee.Environment{Key: key, SiteName: "chargebee", ChargebeeDomain: "invalid"})
}

// APIKeyID returns the first bytes of a hash of the API key. They identify the key without revealing it.
func (c *Client) APIKeyID() string {
	sum := sha256.Sum256([]byte(c.environment.Load().Key))
	return hex.EncodeToString(sum[:4])
}

func parseBaseURL(text string) (*url.URL, error) {
	base, err := url.Parse(strings.TrimRight(text, "/"))
	if err != nil {
		return nil, errors.New("invalid base URL") // err would show the credentials in it
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" ||
		base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("invalid base URL: use one like http://host:port")
	}
	return base, nil
}

// CloseIdleConnections closes the connections on which no call is in progress.
func (c *Client) CloseIdleConnections() {
	if transport, ok := c.config.Transport.(interface{ CloseIdleConnections() }); ok {
		transport.CloseIdleConnections()
	}
}
