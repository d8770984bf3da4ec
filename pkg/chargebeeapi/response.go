package chargebeeapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/chargebee/chargebee-go/v3"

	"github.com/billable-events/billable/pkg/billing"
)

// maxBody is the maximum size of a body: about 20 times the largest invoice that Chargebee supports.
const maxBody = 8 << 20

var errTooLarge = fmt.Errorf("the response is larger than %d bytes", maxBody)

// response is an HTTP response of Chargebee.
type response struct {
	status int // 0: none was received
	header http.Header
	body   []byte
}

func (r response) isSuccessful() bool { return r.status >= 200 && r.status <= 299 }

// replayed reports whether this is the stored response to an earlier call with the same idempotency key.
func (r response) replayed() bool {
	replayed, _ := strconv.ParseBool(r.header.Get(chargebee.IdempotencyReplayHeader))
	return replayed
}

// date returns the Date header, which has whole seconds, or zero if it is missing or malformed.
func (r response) date() time.Time {
	date, _ := http.ParseTime(r.header.Get("Date"))
	return date
}

// readResponse reads a response and closes it. With an error, it returns the part that it has read.
func readResponse(resp *http.Response) (response, error) {
	defer func() { _ = resp.Body.Close() }()
	var body bytes.Buffer
	if 0 < resp.ContentLength && resp.ContentLength <= maxBody {
		body.Grow(int(resp.ContentLength) + bytes.MinRead)
	}
	length, err := body.ReadFrom(io.LimitReader(resp.Body, maxBody+1))
	if err == nil && length > maxBody {
		err = errTooLarge
	}
	return response{status: resp.StatusCode, header: resp.Header, body: body.Bytes()}, err
}

// These types have only the fields that are used. null decodes like a missing field: Chargebee
// documents both for optional fields.
// https://apidocs.chargebee.com/docs/api/invoices/invoice-object
type (
	invoiceResponse struct {
		Invoice invoice `json:"invoice"`
	}

	listResponse struct {
		List       *[]invoiceResponse `json:"list"`
		NextOffset string             `json:"next_offset"`
	}

	invoice struct {
		ID             string     `json:"id"`
		CustomerID     string     `json:"customer_id"`
		SubscriptionID string     `json:"subscription_id"`
		CurrencyCode   string     `json:"currency_code"`
		Status         string     `json:"status"`
		Date           int64      `json:"date"`
		Deleted        bool       `json:"deleted"`
		Version        int64      `json:"resource_version"`
		LineItems      []lineItem `json:"line_items"`
		NextOffset     string     `json:"line_items_next_offset"`
	}

	lineItem struct {
		ID             string `json:"id"`
		SubscriptionID string `json:"subscription_id"`
		EntityType     string `json:"entity_type"`
		EntityID       string `json:"entity_id"`
		Description    string `json:"description"`
		Amount         int64  `json:"amount"`
		From           int64  `json:"date_from"`
		To             int64  `json:"date_to"`
	}
)

var (
	errNoInvoiceID = errors.New("the response has no invoice id")
	errNoList      = errors.New("the response has no list")
)

func decodeInvoice(resp response) (billing.Invoice, error) {
	var decoded invoiceResponse
	if err := json.Unmarshal(resp.body, &decoded); err != nil {
		return billing.Invoice{}, err
	}
	return decoded.Invoice.toBilling()
}

// decodePage returns an error if the list is missing, but not if it is empty.
func decodePage(resp response) (billing.InvoicePage, error) {
	var decoded listResponse
	if err := json.Unmarshal(resp.body, &decoded); err != nil {
		return billing.InvoicePage{}, err
	}
	if decoded.List == nil {
		return billing.InvoicePage{}, errNoList
	}
	page := billing.InvoicePage{Invoices: make([]billing.Invoice, len(*decoded.List)), Next: decoded.NextOffset}
	for i, entry := range *decoded.List {
		var err error
		if page.Invoices[i], err = entry.Invoice.toBilling(); err != nil {
			return billing.InvoicePage{}, err
		}
	}
	return page, nil
}

// decodeTime returns the date of the response. A response without a list may be from a proxy: an error.
func decodeTime(resp response) (time.Time, error) {
	if _, err := decodePage(resp); err != nil {
		return time.Time{}, err
	}
	return resp.date(), nil
}

// toBilling converts an invoice. It returns an error if the id is missing: the response has no invoice.
func (i invoice) toBilling() (billing.Invoice, error) {
	if i.ID == "" {
		return billing.Invoice{}, errNoInvoiceID
	}
	lines := make([]billing.InvoiceLine, len(i.LineItems))
	for n, line := range i.LineItems {
		lines[n] = billing.InvoiceLine(line)
	}
	return billing.Invoice{
		ID:             i.ID,
		CustomerID:     i.CustomerID,
		SubscriptionID: i.SubscriptionID,
		CurrencyCode:   i.CurrencyCode,
		Status:         i.Status,
		Date:           i.Date,
		Deleted:        i.Deleted,
		Version:        i.Version,
		Lines:          lines,
		NextOffset:     i.NextOffset,
	}, nil
}
