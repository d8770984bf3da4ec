package chargebeeapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/chargebee/chargebee-go/v3"
)

// Config is a site and how to call it.
type Config struct {
	BaseURL string // of the site or of a fake, for example https://acme-test.chargebee.com
	APIKey  string

	MaxConcurrent int           // calls at a time; so many connections are kept. Defaults to 50
	CallTimeout   time.Duration // of one call, whatever its context allows. Defaults to 30 s

	Now       func() time.Time  // defaults to time.Now
	Transport http.RoundTripper // carries the requests; defaults to HTTP/1.1 connections of the client's own

	// Observe is told of every call that was sent, with the call's context. It must not
	// block; nil: nobody is told.
	Observe func(context.Context, Observation)
}

// Observation is how a call went.
type Observation struct {
	Operation string // add_charge, add_charge_item, close, retrieve, list
	Method    string // of HTTP
	Host      string // of the site
	Kind      string // "ok", or the name of a billing.Kind
	Status    int    // HTTP status, 0 when no answer came
	Took      time.Duration
}

const (
	defaultConcurrent  = 50
	defaultCallTimeout = 30 * time.Second
)

// Client calls one Chargebee site. It is safe for concurrent use, and any number of
// clients live in one process.
type Client struct {
	config      Config
	site        *url.URL // without a path, or with a path without a final slash
	environment chargebee.Environment
}

// New returns a client for the site. It calls nobody.
func New(config Config) (*Client, error) {
	site, err := parseBaseURL(config.BaseURL)
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
		config.Transport = newConnections(config.MaxConcurrent)
	}
	if config.Observe == nil {
		config.Observe = func(context.Context, Observation) {}
	}
	install()
	return &Client{
		config: config,
		site:   site,
		// The transport puts the site's address in. Should a request ever leave by
		// another way, it gets no further than this: names under .invalid do not
		// exist (RFC 2606).
		environment: chargebee.Environment{Key: config.APIKey, SiteName: "chargebee", ChargebeeDomain: "invalid"},
	}, nil
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

// CloseIdleConnections closes the connections that no call uses.
func (c *Client) CloseIdleConnections() {
	if transport, ok := c.config.Transport.(interface{ CloseIdleConnections() }); ok {
		transport.CloseIdleConnections()
	}
}
