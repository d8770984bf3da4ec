package event

import (
	"bytes"
	"fmt"
	"strconv"
)

// The paths of the fields that are used.
const (
	fieldID             = "id"
	fieldType           = "event_type"
	fieldVersion        = "api_version"
	fieldContent        = "content"
	fieldInvoice        = "content.invoice"
	fieldInvoiceID      = "content.invoice.id"
	fieldCustomerID     = "content.invoice.customer_id"
	fieldCurrencyCode   = "content.invoice.currency_code"
	fieldStatus         = "content.invoice.status"
	fieldSubscriptionID = "content.invoice.subscription_id"
	fieldDate           = "content.invoice.date"
	fieldLineItems      = "content.invoice.line_items"
	fieldNextOffset     = "content.invoice.line_items_next_offset"
)

// root reads a field of the event if it is used. consumed reports whether it read the value; otherwise the
// caller skips it.
func (p *parser) root(name []byte) (consumed bool) {
	switch string(name) {
	case "id":
		p.required(fieldID, &p.event.ID)
	case "event_type":
		p.sawType = true
		p.required(fieldType, &p.event.Type)
	case "occurred_at":
		p.occurredAt()
	case "api_version":
		p.optional(fieldVersion, &p.version)
		switch p.version {
		case "", apiVersion:
		case apiVersion1:
			p.report(fieldVersion, usesAPIVersion1)
		default:
			p.report(fieldVersion, "is not v2: "+setAPIVersion)
		}
	case "content":
		p.objectField(fieldContent, p.content)
	case "detail":
		if p.kind() != '{' {
			return false
		}
		p.detail = bytes.Clone(p.value())
	default:
		return false
	}
	return true
}

// content reads a field of content, as root does.
func (p *parser) content(name []byte) (consumed bool) {
	if string(name) != "invoice" {
		return false
	}
	p.objectField(fieldInvoice, p.invoice)
	return true
}

// invoice reads a field of content.invoice, as root does.
func (p *parser) invoice(name []byte) (consumed bool) {
	invoice := &p.event.Invoice
	switch string(name) {
	case "id":
		p.required(fieldInvoiceID, &invoice.ID)
	case "customer_id":
		p.optional(fieldCustomerID, &invoice.CustomerID)
	case "currency_code":
		p.optional(fieldCurrencyCode, &invoice.CurrencyCode)
	case "status":
		p.optional(fieldStatus, &invoice.Status)
	case "subscription_id":
		p.optional(fieldSubscriptionID, &invoice.SubscriptionID)
	case "date":
		p.integer(fieldDate, &invoice.Date)
	case "line_items":
		p.lineItems()
	case "line_items_next_offset":
		p.checkDuplicate(fieldNextOffset)
		invoice.MoreLines = invoice.MoreLines || p.kind() != 'n'
		return false
	default:
		return false
	}
	return true
}

// occurredAt reads the time of the event, which is optional: an invalid or duplicate one counts
// as absent.
func (p *parser) occurredAt() {
	number, err := strconv.ParseInt(string(p.value()), 10, 64)
	if err != nil || p.sawOccurredAt {
		number = 0
	}
	p.event.OccurredAt, p.sawOccurredAt = number, true
}

// lineItems reads the lines. The consumer reads missing fields of a line from Chargebee, so lines
// are not validated except for duplicate fields.
func (p *parser) lineItems() {
	p.checkDuplicate(fieldLineItems)
	if kind := p.kind(); kind != '[' {
		if kind != 'n' {
			p.report(fieldLineItems, "is not an array")
		}
		p.value()
		return
	}
	items := []LineItem{}
	p.token()
	for index := 0; p.err == nil && p.kind() != ']'; index++ {
		if item := p.lineItem(index); index < MaxLineItems {
			items = append(items, item)
		} else {
			p.event.Invoice.MoreLines = true
		}
	}
	p.token()
	p.event.Invoice.LineItems = items
}

// lineItem reads a line. A line that is not an object is empty.
func (p *parser) lineItem(index int) (item LineItem) {
	if p.kind() != '{' {
		p.value()
		return item
	}
	var sawID, sawSubscriptionID bool
	p.object(func(name []byte) (consumed bool) {
		var dst *string
		var saw *bool
		switch string(name) {
		case "id":
			dst, saw = &item.ID, &sawID
		case "subscription_id":
			dst, saw = &item.SubscriptionID, &sawSubscriptionID
		default:
			return false
		}
		if *saw {
			p.report(fmt.Sprintf("%s.%d.%s", fieldLineItems, index, name), duplicate)
		}
		*saw = true
		if value := p.value(); value.Kind() == '"' {
			if text, ok := unquote(value); ok {
				*dst = string(text)
			}
		}
		return true
	})
	return item
}
