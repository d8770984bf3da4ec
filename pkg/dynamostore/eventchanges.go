package dynamostore

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/billing"
)

// Expressions of the changes to events. A transaction has one per event, so they are short, and built
// once: encoding them is most of the cost of a large claim.
const (
	unbilledCondition = "(attribute_not_exists(#s) OR #s = :u)"
	claimedCondition  = "#s = :c AND invoice_id = :i" // :c is the status claimed unless noted

	claimUpdate        = "SET #s = :c, invoice_id = :i REMOVE unbilled"
	billUpdate         = "SET #s = :b, billed_at = :at"
	billFinalUpdate    = billUpdate + ", final_invoice_id = :f"
	restoreUpdate      = billUpdate + ", invoice_id = :i"
	restoreFinalUpdate = billFinalUpdate + ", invoice_id = :i"

	releaseUpdate = "SET #s = :u, unbilled = :s REMOVE invoice_id, final_invoice_id, billed_at"

	// checkUpdate changes nothing: an event that cannot be billed may be too large for another
	// attribute.
	checkUpdate    = "SET unbilled = unbilled"
	checkCondition = "attribute_exists(unbilled) AND " + unbilledCondition
)

var (
	statusName = map[string]string{"#s": "status"} // a reserved word

	statusUnbilled = text(billing.EventUnbilled)
	statusClaimed  = text(billing.EventClaimed)
	statusBilled   = text(billing.EventBilled)
)

// eventChanges builds the changes to events of one step. Values that are the same for all are built
// once.
type eventChanges struct {
	store      *Store
	invoice    types.AttributeValue
	billUpdate string
	record     billing.Record
}

func (s *Store) eventChanges(record billing.Record) eventChanges {
	changes := eventChanges{store: s, invoice: text(record.InvoiceID), billUpdate: billUpdate, record: record}
	if record.FinalInvoiceID != "" {
		changes.billUpdate = billFinalUpdate
	}
	return changes
}

// billed returns the values of an update that marks an event as billed.
func (c eventChanges) billed() item {
	values := make(item, 10)
	values[":b"], values[":c"], values[":i"], values[":at"] = statusBilled, statusClaimed, c.invoice, number(c.record.UpdatedAt)
	if c.record.FinalInvoiceID != "" {
		values[":f"] = text(c.record.FinalInvoiceID)
	}
	return values
}

// claim claims an unbilled event for the invoice, if its values are unchanged. An event that cannot be
// billed is only checked to be still unbilled.
func (c eventChanges) claim(event billing.Event) *types.Update {
	if event.Fault != "" { //mutant:unbillable-event
		return c.update(event.EventKey, checkUpdate, checkCondition, item{":u": statusUnbilled})
	}
	values := make(item, 9)
	values[":c"], values[":u"], values[":i"] = statusClaimed, statusUnbilled, c.invoice
	absent := addValues(values, event)
	values[":d"] = text(event.Description)
	return c.update(event.EventKey, claimUpdate, asRead[absent], values) //mutant:claim-condition
}

// bill marks an event as billed that is claimed with these values.
func (c eventChanges) bill(event billing.Event) *types.Update {
	values := c.billed()
	absent := addValues(values, event)
	return c.update(event.EventKey, c.billUpdate, asClaimed[absent], values)
}

// billChanged marks a claimed event as billed, whatever its values.
func (c eventChanges) billChanged(key billing.EventKey) *types.Update {
	return c.update(key, c.billUpdate, claimedCondition, c.billed())
}

// restore marks an unbilled event with these values as billed on the invoice that has it.
func (c eventChanges) restore(event billing.Rewritten) *types.Update {
	values := item{":b": statusBilled, ":u": statusUnbilled, ":i": text(event.InvoiceID), ":at": number(event.BilledAt), ":d": text(event.Description)}
	update := restoreUpdate
	if event.FinalInvoiceID != "" {
		update, values[":f"] = restoreFinalUpdate, text(event.FinalInvoiceID)
	}
	absent := addValues(values, event.Event)
	return c.update(event.EventKey, update+" REMOVE unbilled", asRead[absent], values)
}

// addValues adds the values of a condition, without the description, and returns which are absent.
func addValues(values item, event billing.Event) presence {
	values[":o"] = number(event.OccurredAt)
	var absent presence
	for i, read := range [...]string{event.ChargeCode, event.Description, event.CurrencyCode} {
		if absent[i] = read == ""; chargeStringAttrs[i].placeholder != ":d" {
			values[chargeStringAttrs[i].placeholder] = text(read)
		}
	}
	for i, read := range [...]string{event.Amount, event.Quantity} {
		if absent[len(chargeStringAttrs)+i] = read == ""; read != "" {
			values[chargeNumberAttrs[i].placeholder] = &types.AttributeValueMemberN{Value: read}
		}
	}
	return absent
}

// release makes an event of the invoice unbilled again: a claimed one, or one that was billed if the
// invoice was voided.
func (c eventChanges) release(key billing.EventKey) *types.Update {
	status := statusClaimed
	if c.record.Outcome == billing.Released {
		status = statusBilled
	}
	return c.update(key, releaseUpdate, claimedCondition, item{
		":u": statusUnbilled,
		":c": status,
		":i": c.invoice,
		":s": text(key.SubscriptionID),
	})
}

func (c eventChanges) update(key billing.EventKey, update, condition string, values item) *types.Update {
	return &types.Update{
		TableName:                           &c.store.EventsTable,
		Key:                                 eventKey(key),
		UpdateExpression:                    &update,
		ConditionExpression:                 &condition,
		ExpressionAttributeNames:            statusName,
		ExpressionAttributeValues:           values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
}

// presence has true for each of chargeStringAttrs and chargeNumberAttrs that is absent.
type presence [len(chargeStringAttrs) + len(chargeNumberAttrs)]bool

// asRead is the condition of a claim, and asClaimed of billing, by the attributes that were absent when
// the event was read. Pages cut descriptions, so billing does not compare them.
var (
	asRead    = valueConditions(unbilledCondition, true)
	asClaimed = valueConditions(claimedCondition, false)
)

func valueConditions(status string, withDescription bool) map[presence]string {
	conditions := map[presence]string{}
	for bits := range 1 << len(presence{}) {
		var absent presence
		terms := []string{status, "occurred_at = :o"}
		for i := range absent {
			absent[i] = bits>>i&1 == 1
		}
		for i, attr := range chargeStringAttrs {
			if attr.placeholder == ":d" && !withDescription {
				continue
			}
			term := attr.name + " = " + attr.placeholder
			if absent[i] { // an empty text is the same as an absent one
				term = "(attribute_not_exists(" + attr.name + ") OR " + term + ")"
			}
			terms = append(terms, term)
		}
		for i, attr := range chargeNumberAttrs {
			term := attr.name + " = " + attr.placeholder
			if absent[len(chargeStringAttrs)+i] {
				term = "attribute_not_exists(" + attr.name + ")"
			}
			terms = append(terms, term)
		}
		conditions[absent] = strings.Join(terms, " AND ")
	}
	return conditions
}
