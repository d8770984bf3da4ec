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

// maxBody is the longest answer that is read: about 20 times an invoice of as many
// lines as Chargebee copes with.
const maxBody = 8 << 20

var errTooLong = fmt.Errorf("the answer is longer than %d bytes", maxBody)

// answer is what came back.
type answer struct {
	status      int
	contentType string
	retryAfter  string // the header
	date        string // the header
	replayed    bool   // it is the answer to an earlier call with the same key
	body        []byte
}

func (a answer) successful() bool { return a.status >= 200 && a.status <= 299 }

// receive reads an answer. With an error, the answer holds what came before.
func receive(response *http.Response) (answer, error) {
	defer func() { _ = response.Body.Close() }()
	replayed, _ := strconv.ParseBool(response.Header.Get(chargebee.IdempotencyReplayHeader))
	received := answer{
		status:      response.StatusCode,
		contentType: response.Header.Get("Content-Type"),
		retryAfter:  response.Header.Get("Retry-After"),
		date:        response.Header.Get("Date"),
		replayed:    replayed,
	}
	var body bytes.Buffer
	if 0 < response.ContentLength && response.ContentLength <= maxBody {
		body.Grow(int(response.ContentLength) + bytes.MinRead)
	}
	length, err := body.ReadFrom(io.LimitReader(response.Body, maxBody+1))
	if err == nil && length > maxBody {
		err = errTooLong
	}
	received.body = body.Bytes()
	return received, err
}

// The parts of answers that are read. Others may hold what they like. A member that is null
// is as one that is absent: Chargebee documents both for optional fields.
// https://apidocs.chargebee.com/docs/api/invoices/invoice-object
type (
	invoiceAnswer struct {
		Invoice invoice `json:"invoice"`
	}

	listAnswer struct {
		List       *[]invoiceAnswer `json:"list"`
		NextOffset string           `json:"next_offset"`
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
	errNoInvoice = errors.New("the answer shows no invoice")
	errNoList    = errors.New("the answer shows no list")
)

func decodeInvoice(answer answer) (billing.Invoice, error) {
	var decoded invoiceAnswer
	if err := json.Unmarshal(answer.body, &decoded); err != nil {
		return billing.Invoice{}, err
	}
	return decoded.Invoice.invoice()
}

// decodePage insists on a list: that there is no invoice must have been said.
func decodePage(answer answer) (billing.InvoicePage, error) {
	var decoded listAnswer
	if err := json.Unmarshal(answer.body, &decoded); err != nil {
		return billing.InvoicePage{}, err
	}
	if decoded.List == nil {
		return billing.InvoicePage{}, errNoList
	}
	page := billing.InvoicePage{Invoices: make([]billing.Invoice, len(*decoded.List)), Next: decoded.NextOffset}
	for i, entry := range *decoded.List {
		var err error
		if page.Invoices[i], err = entry.Invoice.invoice(); err != nil {
			return billing.InvoicePage{}, err
		}
	}
	return page, nil
}

// decodeTime reads when the answer was made, cut to the second; it is zero if the answer
// does not say. It insists on a list: what else answers with a success is not Chargebee.
func decodeTime(answer answer) (time.Time, error) {
	if _, err := decodePage(answer); err != nil {
		return time.Time{}, err
	}
	at, _ := http.ParseTime(answer.date)
	return at, nil
}

func (i invoice) invoice() (billing.Invoice, error) {
	if i.ID == "" {
		return billing.Invoice{}, errNoInvoice
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
