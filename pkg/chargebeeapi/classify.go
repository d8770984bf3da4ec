package chargebeeapi

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/billable-events/billable/pkg/billing"
)

// kindOf classifies an error response by its HTTP status and api_error_code. The code is empty if
// the response is not from Chargebee's API but from a proxy in front of it. resource reports that
// billing.Limited is not about the limit of the site.
//
// The type and the text of an error are not used: 503 comes with invalid_request as well as with
// operation_failed, and "Please try after some time" with 429 and 503.
//
// https://apidocs.chargebee.com/docs/api/error-handling
func kindOf(status int, code string) (kind billing.Kind, resource bool) {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return billing.Unauthorized, false
	case http.StatusNotFound:
		switch code {
		case "resource_not_found":
			return billing.Missing, false
		case "site_not_found":
			return billing.Unauthorized, false
		}
		return billing.Unknown, false // only Chargebee itself can report a missing invoice
	case http.StatusConflict:
		if code == "" {
			return billing.Unknown, false
		}
		return billing.Missing, false
	case http.StatusRequestTimeout:
		return billing.Unknown, false // from a gateway, which may have forwarded the request
	case http.StatusTooManyRequests:
		// lock_timeout: another call changes the invoice. third_party_…: for example a tax service is over its
		// limit. Neither means that the site is over its limit.
		return billing.Limited, code == "lock_timeout" || code == "third_party_api_request_limit_exceeded"
	case http.StatusServiceUnavailable:
		if code == "site_not_ready" || code == "site_read_only_mode" {
			return billing.Transient, false
		}
		return billing.Unknown, false // also internal_temporary_error, db_connection_failure
	}
	if 400 <= status && status <= 499 && code != "" {
		return billing.Permanent, false
	}
	// Chargebee documents no redirects. A response without a code is from a proxy, which may have forwarded the
	// call before it answered.
	return billing.Unknown, false
}

// errorFailure returns the failure of a response other than 2xx.
func errorFailure(resp response, now time.Time) *billing.Failure {
	var body struct {
		Message string `json:"message"`
		Code    string `json:"api_error_code"`
	}
	if err := json.Unmarshal(resp.body, &body); err != nil || body.Code == "" {
		body.Code = ""
		body.Message = "not a response of Chargebee's API: " + describe(resp)
	}
	kind, resource := kindOf(resp.status, body.Code)
	failure := &billing.Failure{
		Kind:     kind,
		Status:   resp.status,
		Code:     body.Code,
		Message:  body.Message,
		Resource: resource,
		Replayed: resp.replayed(),
	}
	if kind == billing.Limited {
		failure.RetryAfter = parseRetryAfter(resp.header.Get("Retry-After"), now)
	}
	return failure
}

// decodeFailure returns the failure of a 2xx response that cannot be decoded.
func decodeFailure(resp response, err error) *billing.Failure {
	return &billing.Failure{
		Kind:     billing.Unknown,
		Status:   resp.status,
		Message:  err.Error() + ": " + describe(resp),
		Replayed: resp.replayed(),
		Err:      err,
	}
}

// noResponseFailure returns the failure of a call without a complete response.
func noResponseFailure(resp response, err error) *billing.Failure {
	if err == nil {
		err = errors.New("the request bypassed the transport of the client") // the SDK got another HTTP client
	}
	kind := billing.Unknown
	if notConnected(err) {
		kind = billing.Transient
	}
	return &billing.Failure{
		Kind:     kind,
		Status:   resp.status,
		Message:  err.Error(),
		Replayed: resp.replayed(),
		TooLarge: errors.Is(err, errTooLarge),
		Err:      err,
	}
}

// notConnected reports whether there was no connection to send the request on.
func notConnected(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op == "dial" || op.Op == "proxyconnect"
	}
	_, lookup := errors.AsType[*net.DNSError](err)
	return lookup || errors.Is(err, syscall.ECONNREFUSED)
}

// describe returns size and type of a response without its content, which may be anything.
func describe(resp response) string {
	text := strconv.Itoa(len(resp.body)) + " bytes"
	if contentType := resp.header.Get("Content-Type"); contentType != "" {
		text += " of " + contentType
	}
	return text
}

// maxRetryAfter limits the pause of all processes that one header can cause. Chargebee's limits
// reset within about a minute.
const maxRetryAfter = time.Hour

// parseRetryAfter parses a Retry-After header: seconds or a date. It returns 0 for anything else
// and for a past date.
// https://www.rfc-editor.org/rfc/rfc9110.html#name-retry-after
func parseRetryAfter(header string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseUint(header, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		wait = time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	} else if date, err := http.ParseTime(header); err == nil {
		wait = date.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// maxText is the maximum length of a text of Chargebee in a failure, in UTF-16 code units.
const maxText = 256

// redact prepares a text for logs and message attributes: one line of limited length, without the
// API key.
func redact(text, apiKey string) string {
	text = strings.ReplaceAll(text, apiKey, "***")
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	return billing.Cut(text, maxText)
}
