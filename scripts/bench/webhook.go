package main

import (
	"bytes"
	"fmt"
	"strings"
)

// bodySize is the size of every webhook in bytes, which is usual for Chargebee.
const bodySize = 5686

// eventIDOf returns the event id of a request. No two attacks share one.
func eventIDOf(attack, number int) string { return idPrefix + serial(attack, number) }

const idPrefix = "ev_"

func serial(attack, number int) string { return fmt.Sprintf("%05d_%07d", attack, number) }

// webhookBody returns the webhook that announces an invoice in the event of this id.
func webhookBody(eventID string) string {
	return strings.Join(webhookParts, strings.TrimPrefix(eventID, idPrefix))
}

// bodyKind is a kind of webhook body.
type bodyKind int

const (
	usualBody  bodyKind = iota
	paddedBody          // followed by blanks
	linesBody           // with an invoice of as many invalid lines as fit
)

// largeSize is the approximate size of large webhooks in bytes, close to the limit of SQS.
const largeSize = 1_000_000

var (
	padding = bytes.Repeat([]byte(" "), largeSize-bodySize)
	lines   = append(bytes.Repeat([]byte("0,"), largeSize/2-250), "0]}}}"...)
)

// start returns the beginning of the webhook of an event. It ends with the filler.
func (k bodyKind) start(eventID string) string {
	if k != linesBody {
		return webhookBody(eventID)
	}
	number := strings.TrimPrefix(eventID, idPrefix)
	return fmt.Sprintf(`{"id":%q,"occurred_at":1767225601,"api_version":"v2","event_type":"pending_invoice_created","content":{"invoice":{"id":"draft_%s",`+
		`"customer_id":"cust_0001","subscription_id":"sub_0001","status":"pending","currency_code":"EUR","date":1767225600,"line_items":[`, eventID, number)
}

func (k bodyKind) filler() []byte {
	return [...][]byte{usualBody: nil, paddedBody: padding, linesBody: lines}[k]
}

// isWebhook reports whether a body is the webhook of this event, of any kind.
func isWebhook(eventID, body string) bool {
	for _, kind := range []bodyKind{usualBody, paddedBody, linesBody} {
		if rest, found := strings.CutPrefix(body, kind.start(eventID)); found && rest == string(kind.filler()) {
			return true
		}
	}
	return false
}

// webhookParts are the constant parts of a webhook. The serial is between them.
var webhookParts = webhookTemplate()

func webhookTemplate() []string {
	const gap = "\x00"
	var items []string
	for i := range 8 {
		items = append(items, fmt.Sprintf(`{"id":"li_%02d_%s","date_from":1764547200,"date_to":1767225600,"unit_amount":4900,"quantity":1,"amount":4900,`+
			`"pricing_model":"flat_fee","is_taxed":false,"tax_amount":0,"object":"line_item","subscription_id":"sub_0001","customer_id":"cust_0001",`+
			`"description":"Team plan, part %d","entity_type":"plan_item_price","entity_id":"team-EUR-monthly","tax_exempt_reason":"tax_not_configured",`+
			`"discount_amount":0,"item_level_discount_amount":0,"metered":false}`, i, gap, i))
	}
	body := `{"id":"` + idPrefix + gap + `","occurred_at":1767225601,"source":"scheduled_job","object":"event","api_version":"v2",` +
		`"event_type":"pending_invoice_created","webhook_status":"scheduled","content":{"invoice":{"id":"draft_` + gap + `","customer_id":"cust_0001",` +
		`"subscription_id":"sub_0001","recurring":true,"status":"pending","price_type":"tax_exclusive","date":1767225600,"net_term_days":0,` +
		`"exchange_rate":1.0,"total":39200,"amount_due":39200,"currency_code":"EUR","base_currency_code":"EUR","resource_version":1767225601000,` +
		`"updated_at":1767225601,"term_finalized":true,"is_gifted":false,"deleted":false,"object":"invoice","first_invoice":false,` +
		`"line_items":[` + strings.Join(items, ",") + `],"line_item_taxes":[],"linked_payments":[],"notes":[{"entity_type":"plan_item_price","note":"%s"}]}}}`
	empty := len(fmt.Sprintf(body, "")) + strings.Count(body, gap)*(len(serial(0, 0))-len(gap))
	note := strings.Repeat("Thank you for your business. ", bodySize/len("Thank you for your business. "))
	return strings.Split(fmt.Sprintf(body, note[:bodySize-empty]), gap)
}
