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
// the response is not from Chargebee's API but from a proxy in front of it. resource is
// billing.Failure.Resource: whether another limit than that of the site was reached.
//
// The type and the message of an error do not distinguish enough: 503 has the types invalid_request
// and operation_failed, and both 429 and 503 have the message "Please try after some time".
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
		return billing.Unknown, false // perhaps from a proxy, which cannot report a missing invoice
	case http.StatusConflict:
		if code == "" {
			return billing.Unknown, false
		}
		return billing.Missing, false // the invoice is perhaps not pending anymore
	case http.StatusRequestTimeout:
		return billing.Unknown, false // from a gateway, which may have forwarded the request
	case http.StatusTooManyRequests:
		lockedInvoice := code == "lock_timeout"                        // another call changes the invoice
		thirdParty := code == "third_party_api_request_limit_exceeded" // for example of a tax service
		return billing.Limited, lockedInvoice || thirdParty
	case http.StatusServiceUnavailable:
		if code == "site_not_ready" || code == "site_read_only_mode" {
			return billing.Transient, false
		}
		return billing.Unknown, false // for example internal_temporary_error, db_connection_failure
	}
	if 400 <= status && status <= 499 && code != "" {
		return billing.Permanent, false
	}
	// A status 5xx, a redirect (Chargebee documents none), or a response of a proxy, which may have forwarded
	// the request.
	return billing.Unknown, false
}

// errorFailure returns the failure of a response that is not 2xx.
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
		err = errors.New("the request bypassed the transport of the client") // another package set the SDK's client
	}
	kind := billing.Unknown
	if isNotConnected(err) {
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

// isNotConnected reports whether connecting failed, so that nothing was sent.
func isNotConnected(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op == "dial" || op.Op == "proxyconnect"
	}
	_, lookupFailed := errors.AsType[*net.DNSError](err)
	return lookupFailed || errors.Is(err, syscall.ECONNREFUSED)
}

// describe returns the size and the type of a response. Its content could be long or confidential.
func describe(resp response) string {
	text := strconv.Itoa(len(resp.body)) + " bytes"
	if contentType := resp.header.Get("Content-Type"); contentType != "" {
		text += " of " + contentType
	}
	return text
}

// maxRetryAfter is the maximum of a Retry-After: all processes pause for that long. Chargebee resets its
// limits within about a minute.
const maxRetryAfter = time.Hour

// parseRetryAfter parses a Retry-After header, which has seconds or a date. It returns at most
// maxRetryAfter, and 0 for a past date or an invalid header.
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

// maxText is the maximum length of Message and Code of a failure, in UTF-16 code units.
const maxText = 256

// redact prepares a text for logs and message attributes: one line of limited length, without the API key.
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
