package event

import (
	"bytes"
	"fmt"
	"strconv"
)

// The paths of the fields for which problems are reported.
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

// readEventField reads the value of a field of the event, if Billable uses the field. consumed reports whether
// it has read the value; if not, the caller skips the value.
func (p *parser) readEventField(name []byte) (consumed bool) {
	switch string(name) {
	case "id":
		p.readRequired(fieldID, &p.event.ID)
	case "event_type":
		p.sawType = true
		p.readRequired(fieldType, &p.event.Type)
	case "occurred_at":
		p.readOccurredAt()
	case "api_version":
		p.readOptional(fieldVersion, &p.version)
		switch p.version {
		case "", apiVersion2:
		case apiVersion1:
			p.report(fieldVersion, problemAPIVersion1)
		default:
			p.report(fieldVersion, "is not v2: "+adviceAPIVersion)
		}
	case "content":
		p.readObjectField(fieldContent, p.readContentField)
	case "detail":
		if p.peekKind() != '{' {
			return false
		}
		p.detail = bytes.Clone(p.readValue())
	default:
		return false
	}
	return true
}

// readContentField reads a field of content, as readEventField does.
func (p *parser) readContentField(name []byte) (consumed bool) {
	if string(name) != "invoice" {
		return false
	}
	p.readObjectField(fieldInvoice, p.readInvoiceField)
	return true
}

// readInvoiceField reads a field of content.invoice, as readEventField does.
func (p *parser) readInvoiceField(name []byte) (consumed bool) {
	invoice := &p.event.Invoice
	switch string(name) {
	case "id":
		p.readRequired(fieldInvoiceID, &invoice.ID)
	case "customer_id":
		p.readOptional(fieldCustomerID, &invoice.CustomerID)
	case "currency_code":
		p.readOptional(fieldCurrencyCode, &invoice.CurrencyCode)
	case "status":
		p.readOptional(fieldStatus, &invoice.Status)
	case "subscription_id":
		p.readOptional(fieldSubscriptionID, &invoice.SubscriptionID)
	case "date":
		p.readInteger(fieldDate, &invoice.Date)
	case "line_items":
		p.readLineItems()
	case "line_items_next_offset":
		p.checkDuplicate(fieldNextOffset)
		invoice.MoreLines = invoice.MoreLines || p.peekKind() != 'n'
		return false
	default:
		return false
	}
	return true
}

// readOccurredAt reads the time of the event. It is optional: an invalid or duplicate value counts as absent.
func (p *parser) readOccurredAt() {
	number, err := strconv.ParseInt(string(p.readValue()), 10, 64)
	if err != nil || p.sawOccurredAt {
		number = 0
	}
	p.event.OccurredAt, p.sawOccurredAt = number, true
}

// readLineItems reads the lines. Of their fields, only duplicates are reported: the consumer reads the lines
// from Chargebee.
func (p *parser) readLineItems() {
	p.checkDuplicate(fieldLineItems)
	if kind := p.peekKind(); kind != '[' {
		if kind != 'n' {
			p.report(fieldLineItems, "is not an array")
		}
		p.readValue()
		return
	}
	items := []LineItem{}
	p.skipDelimiter()
	for index := 0; p.err == nil && p.peekKind() != ']'; index++ {
		item := p.readLineItem(index)
		if index < MaxLineItems {
			items = append(items, item)
		} else {
			p.event.Invoice.MoreLines = true
		}
	}
	p.skipDelimiter()
	p.event.Invoice.LineItems = items
}

// readLineItem reads a line. It returns an empty LineItem if the line is not an object.
func (p *parser) readLineItem(index int) (item LineItem) {
	if p.peekKind() != '{' {
		p.readValue()
		return item
	}
	var sawID, sawSubscriptionID bool
	p.readObject(func(name []byte) (consumed bool) {
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
			p.report(fmt.Sprintf("%s.%d.%s", fieldLineItems, index, name), problemDuplicate)
		}
		*saw = true
		if value := p.readValue(); value.Kind() == '"' {
			if text, ok := unquote(value); ok {
				*dst = string(text)
			}
		}
		return true
	})
	return item
}
