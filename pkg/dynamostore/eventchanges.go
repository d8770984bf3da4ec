package dynamostore

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/billing"
)

// Expressions of the changes to events. A transaction has two for each event, and encoding them is most of the cost of
// a large claim. So they are short and built once. The placeholders of values are
//
//	:u :c :b  the statuses unbilled, claimed, billed     :i :f  the ids of draft and final invoice
//	:s        the subscription id                        :at    billed_at
const (
	unbilledCondition = "(attribute_not_exists(#s) OR #s = :u)"
	claimedCondition  = "#s = :c AND invoice_id = :i" // release also uses it with the status billed as :c

	claimUpdate        = "SET #s = :c, invoice_id = :i REMOVE unbilled"
	billUpdate         = "SET #s = :b, billed_at = :at"
	billFinalUpdate    = billUpdate + ", final_invoice_id = :f"
	restoreUpdate      = billUpdate + ", invoice_id = :i"
	restoreFinalUpdate = billFinalUpdate + ", invoice_id = :i"

	releaseUpdate = "SET #s = :u, unbilled = :s REMOVE invoice_id, final_invoice_id, billed_at"

	// checkUpdate changes nothing. An event that cannot be billed is not marked as claimed, because it may be too
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

// eventChanges builds the changes to events of one step. It holds the values that these changes share.
type eventChanges struct {
	store          *Store
	invoiceID      types.AttributeValue
	billExpression string // with or without the final invoice id
	record         billing.Record
}

func (s *Store) newEventChanges(record billing.Record) eventChanges {
	changes := eventChanges{store: s, invoiceID: text(record.InvoiceID), billExpression: billUpdate, record: record}
	if record.FinalInvoiceID != "" {
		changes.billExpression = billFinalUpdate
	}
	return changes
}

// billValues returns the values of an update that marks an event as billed.
func (c eventChanges) billValues() item {
	values := make(item, 10) // has room for those of addValues
	values[":b"], values[":c"], values[":i"], values[":at"] = statusBilled, statusClaimed, c.invoiceID, number(c.record.UpdatedAt)
	if c.record.FinalInvoiceID != "" {
		values[":f"] = text(c.record.FinalInvoiceID)
	}
	return values
}

// claim returns the update that claims an unbilled event, if its values are unchanged. For an event that cannot be
// billed, the update only checks that it is still unbilled.
func (c eventChanges) claim(event billing.Event) *types.Update {
	if event.Fault != "" { //mutant:unbillable-event
		return c.update(event.EventKey, checkUpdate, checkCondition, item{":u": statusUnbilled})
	}
	values := make(item, 9)
	values[":c"], values[":u"], values[":i"] = statusClaimed, statusUnbilled, c.invoiceID
	absent := addValues(values, event, true)
	return c.update(event.EventKey, claimUpdate, asRead[absent], values) //mutant:claim-condition
}

// bill returns the update that marks a claimed event as billed, if its values are unchanged.
func (c eventChanges) bill(event billing.Event) *types.Update {
	values := c.billValues()
	absent := addValues(values, event, false)
	return c.update(event.EventKey, c.billExpression, asClaimed[absent], values)
}

// billChanged returns the update that marks a claimed event as billed, whatever its values.
func (c eventChanges) billChanged(key billing.EventKey) *types.Update {
	return c.update(key, c.billExpression, claimedCondition, c.billValues())
}

// restore returns the update that marks a rewritten event as billed again, if its values are unchanged.
func (c eventChanges) restore(event billing.Rewritten) *types.Update {
	values := item{":b": statusBilled, ":u": statusUnbilled, ":i": text(event.InvoiceID), ":at": number(event.BilledAt)}
	update := restoreUpdate
	if event.FinalInvoiceID != "" {
		update, values[":f"] = restoreFinalUpdate, text(event.FinalInvoiceID)
	}
	absent := addValues(values, event.Event, true)
	return c.update(event.EventKey, update+" REMOVE unbilled", asRead[absent], values)
}

// addValues adds the values for a condition of asRead or asClaimed, and returns the key of this condition.
// withDescription is true for asRead.
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

// release returns the update that makes a claimed event unbilled again; a billed event, if the outcome of the invoice
// is Released.
func (c eventChanges) release(key billing.EventKey) *types.Update {
	status := statusClaimed
	if c.record.Outcome == billing.Released {
		status = statusBilled
	}
	return c.update(key, releaseUpdate, claimedCondition, item{
		":u": statusUnbilled,
		":c": status,
		":i": c.invoiceID,
		":s": text(key.SubscriptionID),
	})
}

func (c eventChanges) update(key billing.EventKey, expression, condition string, values item) *types.Update {
	return &types.Update{
		TableName:                           &c.store.EventsTable,
		Key:                                 eventKey(key),
		UpdateExpression:                    &expression,
		ConditionExpression:                 &condition,
		ExpressionAttributeNames:            statusName,
		ExpressionAttributeValues:           values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
}

// absence has true for each of chargeAttributes that is absent from an event. A text is also absent if it is empty.
type absence [len(chargeAttributes)]bool

// asRead has the conditions that an event is unbilled and has the values that were read; asClaimed, that it is claimed
// and has the values of its page, except for the description, which pages cut. Both have a condition for each absence.
var (
	asRead    = valueConditions(unbilledCondition, true)
	asClaimed = valueConditions(claimedCondition, false)
)

// valueConditions returns, for each absence, the condition that the status and the values are as required.
func valueConditions(statusCondition string, withDescription bool) map[absence]string {
	conditions := map[absence]string{}
	for bits := range 1 << len(absence{}) {
		var absent absence
		terms := []string{statusCondition, "occurred_at = :o"}
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

// condition returns the condition that the attribute has the value of its placeholder; if absent is true, that it is
// absent, or a text is empty (the value of its placeholder).
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
