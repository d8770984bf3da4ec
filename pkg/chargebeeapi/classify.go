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

// kindOf says what a refusal means, by its HTTP status and its api_error_code, which
// is empty when the answer is not from Chargebee's API itself but from something
// before it. resource limits the meaning of billing.Limited to the one invoice.
//
// Neither the type nor the text of an error counts: 503 comes with invalid_request as
// well as with operation_failed, and "Please try after some time" with 429 and 503.
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
		return billing.Unknown, false // that an invoice is gone, only Chargebee can say
	case http.StatusConflict:
		if code == "" {
			return billing.Unknown, false
		}
		return billing.Missing, false
	case http.StatusRequestTimeout:
		return billing.Unknown, false // a gateway's; what it passed on is not known
	case http.StatusTooManyRequests:
		// A third party, such as one that computes taxes, is a limit of its own.
		return billing.Limited, code == "lock_timeout" || code == "third_party_api_request_limit_exceeded"
	case http.StatusServiceUnavailable:
		if code == "site_not_ready" || code == "site_read_only_mode" {
			return billing.Transient, false
		}
		return billing.Unknown, false // also internal_temporary_error, db_connection_failure
	}
	if 400 <= status && status <= 499 {
		return billing.Permanent, false
	}
	return billing.Unknown, false // redirects are nothing that Chargebee documents
}

// refused is the failure that an answer other than 2xx is.
func refused(answer answer, now time.Time) *billing.Failure {
	var said struct {
		Message string `json:"message"`
		Code    string `json:"api_error_code"`
	}
	if err := json.Unmarshal(answer.body, &said); err != nil || said.Code == "" {
		said.Code = ""
		said.Message = "not an answer of Chargebee's API: " + describe(answer)
	}
	kind, resource := kindOf(answer.status, said.Code)
	failure := &billing.Failure{
		Kind:     kind,
		Status:   answer.status,
		Code:     said.Code,
		Message:  said.Message,
		Resource: resource,
		Replayed: answer.replayed,
	}
	if kind == billing.Limited {
		failure.RetryAfter = parseRetryAfter(answer.retryAfter, now)
	}
	return failure
}

// undecodable is the failure that a success is which cannot be read.
func undecodable(answer answer, err error) *billing.Failure {
	return &billing.Failure{
		Kind:     billing.Unknown,
		Status:   answer.status,
		Message:  err.Error() + ": " + describe(answer),
		Replayed: answer.replayed,
		Err:      err,
	}
}

// unanswered is the failure that a call without a (whole) answer is.
func unanswered(answer answer, err error) *billing.Failure {
	if err == nil {
		err = errors.New("the request went another way") // the SDK was given another client
	}
	kind := billing.Unknown
	if unconnected(err) {
		kind = billing.Transient
	}
	return &billing.Failure{
		Kind:     kind,
		Status:   answer.status,
		Message:  err.Error(),
		Replayed: answer.replayed,
		TooLarge: errors.Is(err, errTooLong),
		Err:      err,
	}
}

// unconnected tells whether there was no connection that a request could have left on.
func unconnected(err error) bool {
	if operation, ok := errors.AsType[*net.OpError](err); ok {
		return operation.Op == "dial" || operation.Op == "proxyconnect"
	}
	_, lookup := errors.AsType[*net.DNSError](err)
	return lookup || errors.Is(err, syscall.ECONNREFUSED)
}

// describe says what kind of answer it is; what stands in it may be anything.
func describe(answer answer) string {
	if answer.contentType == "" {
		return strconv.Itoa(len(answer.body)) + " bytes"
	}
	return strconv.Itoa(len(answer.body)) + " bytes of " + answer.contentType
}

// maxRetryAfter bounds how long a header can make everybody wait. Chargebee's limits
// reset within about a minute.
const maxRetryAfter = time.Hour

// parseRetryAfter reads a Retry-After header: seconds or a date. It returns 0 for what
// is neither, or over.
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

// maxText is how much of a text that others wrote is passed on, in characters.
const maxText = 256

// presentable makes a text fit for logs and message attributes: one bounded line
// without our key.
func (c *Client) presentable(text string) string {
	text = strings.ReplaceAll(text, c.config.APIKey, "***")
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	return billing.Cut(text, maxText)
}
