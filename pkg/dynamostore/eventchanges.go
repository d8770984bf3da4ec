package dynamostore

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/billing"
)

// Expressions of the changes to events. A transaction has one for each event: encoding them is most of the
// cost of a large claim, so they are short and built once.
const (
	unbilledCondition = "(attribute_not_exists(#s) OR #s = :u)"
	claimedCondition  = "#s = :c AND invoice_id = :i" // :c is claimed; in release it may be billed

	claimUpdate        = "SET #s = :c, invoice_id = :i REMOVE unbilled"
	billUpdate         = "SET #s = :b, billed_at = :at"
	billFinalUpdate    = billUpdate + ", final_invoice_id = :f"
	restoreUpdate      = billUpdate + ", invoice_id = :i"
	restoreFinalUpdate = billFinalUpdate + ", invoice_id = :i"

	releaseUpdate = "SET #s = :u, unbilled = :s REMOVE invoice_id, final_invoice_id, billed_at"

	// checkUpdate changes nothing. An event that cannot be billed is not marked as claimed: it may be too
	// large for another attribute.
	checkUpdate    = "SET unbilled = unbilled"
	checkCondition = "attribute_exists(unbilled) AND " + unbilledCondition
)

var (
	statusName = map[string]string{"#s": "status"} // a reserved word

	statusUnbilled = text(billing.EventUnbilled)
	statusClaimed  = text(billing.EventClaimed)
	statusBilled   = text(billing.EventBilled)
)

// eventChanges builds the changes to events of one step. It holds the values that all of them share.
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

// claim claims an unbilled event for the invoice, on condition that its values are unchanged. An event that cannot be
// billed is not changed: the condition is only that it is still unbilled.
func (c eventChanges) claim(event billing.Event) *types.Update {
	if event.Fault != "" { //mutant:unbillable-event
		return c.update(event.EventKey, checkUpdate, checkCondition, item{":u": statusUnbilled})
	}
	values := make(item, 9)
	values[":c"], values[":u"], values[":i"] = statusClaimed, statusUnbilled, c.invoice
	absent := addValues(values, event, true)
	return c.update(event.EventKey, claimUpdate, asRead[absent], values) //mutant:claim-condition
}

// bill marks a claimed event as billed, on condition that its values are unchanged.
func (c eventChanges) bill(event billing.Event) *types.Update {
	values := c.billed()
	absent := addValues(values, event, false)
	return c.update(event.EventKey, c.billUpdate, asClaimed[absent], values)
}

// billChanged marks a claimed event as billed, whatever its values.
func (c eventChanges) billChanged(key billing.EventKey) *types.Update {
	return c.update(key, c.billUpdate, claimedCondition, c.billed())
}

// restore marks a rewritten event as billed again, on condition that its values are unchanged.
func (c eventChanges) restore(event billing.Rewritten) *types.Update {
	values := item{":b": statusBilled, ":u": statusUnbilled, ":i": text(event.InvoiceID), ":at": number(event.BilledAt)}
	update := restoreUpdate
	if event.FinalInvoiceID != "" {
		update, values[":f"] = restoreFinalUpdate, text(event.FinalInvoiceID)
	}
	absent := addValues(values, event.Event, true)
	return c.update(event.EventKey, update+" REMOVE unbilled", asRead[absent], values)
}

// addValues adds the values of the condition that an event is unchanged, and returns which of them are absent.
func addValues(values item, event billing.Event, withDescription bool) absence {
	values[":o"] = number(event.OccurredAt)
	var absent absence
	for i, field := range chargeFields(&event) {
		attribute := chargeAttributes[i]
		absent[i] = *field == ""
		switch {
		case attribute.isNumber && *field != "":
			values[attribute.placeholder] = &types.AttributeValueMemberN{Value: *field}
		case !attribute.isNumber && (withDescription || attribute.name != "description"):
			values[attribute.placeholder] = text(*field)
		}
	}
	return absent
}

// release makes an event unbilled again: a claimed one, or a billed one if the outcome of the invoice is Released.
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

// absence has true for each of chargeAttributes that an event does not have.
type absence [len(chargeAttributes)]bool

// asRead and asClaimed hold a condition for each absence: that an event is unbilled and has the values that were
// read, or is claimed and has the values of its page. Pages cut descriptions, so asClaimed does not compare them.
var (
	asRead    = valueConditions(unbilledCondition, true)
	asClaimed = valueConditions(claimedCondition, false)
)

// valueConditions returns the condition for each absence: status, and equal values.
func valueConditions(status string, withDescription bool) map[absence]string {
	conditions := map[absence]string{}
	for bits := range 1 << len(absence{}) {
		var absent absence
		terms := []string{status, "occurred_at = :o"}
		for i, attribute := range chargeAttributes {
			absent[i] = bits>>i&1 == 1
			if withDescription || attribute.name != "description" {
				terms = append(terms, attribute.condition(absent[i]))
			}
		}
		conditions[absent] = strings.Join(terms, " AND ")
	}
	return conditions
}

// condition returns the condition that the attribute has its value, or is absent. A text may be empty instead.
func (a chargeAttribute) condition(absent bool) string {
	equal, notExists := a.name+" = "+a.placeholder, "attribute_not_exists("+a.name+")"
	switch {
	case !absent:
		return equal
	case a.isNumber:
		return notExists
	default:
		return "(" + notExists + " OR " + equal + ")"
	}
}
