package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/billing"
)

const (
	// Cancellation reason codes.
	// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CancellationReason.html
	reasonNone      = "None"
	reasonCondition = "ConditionalCheckFailed"

	// lookupTTL is the retention of the items #final# and #subscription#, from their last write. It exceeds the
	// retention of the pages of a finished invoice.
	lookupTTL = 180 * 24 * time.Hour
)

// busyReasons are cancellation reasons after which the transaction can be repeated.
var busyReasons = map[string]bool{
	"TransactionConflict":           true,
	"ProvisionedThroughputExceeded": true,
	"ThrottlingError":               true,
}

// Commit applies the whole step or nothing. Errors include billing.ErrFenced, billing.ErrBusy and
// *billing.EventsChanged.
func (s *Store) Commit(ctx context.Context, step billing.Step) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if step.Actions() == 1 { // every step writes the record
		return s.commitRecord(ctx, step)
	}
	return s.commitTransaction(ctx, step)
}

// commitRecord applies a step that changes only the record.
func (s *Store) commitRecord(ctx context.Context, step billing.Step) error {
	put := s.putRecord(step)
	_, err := s.Client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                           put.TableName,
		Item:                                put.Item,
		ConditionExpression:                 put.ConditionExpression,
		ExpressionAttributeNames:            put.ExpressionAttributeNames,
		ExpressionAttributeValues:           put.ExpressionAttributeValues,
		ReturnValuesOnConditionCheckFailure: put.ReturnValuesOnConditionCheckFailure,
	})
	var failed *types.ConditionalCheckFailedException
	switch {
	case err == nil:
		return nil
	case errors.As(err, &failed):
		return errFencedUnlessApplied(step, failed.Item)
	default:
		return fmt.Errorf("dynamodb: write the record of %s: %w", step.Record.InvoiceID, classify(err))
	}
}

// errFencedUnlessApplied returns the error of a step whose condition on the record failed. It is nil if the record
// has the version of the step: an earlier attempt applied the step, and its response was lost.
func errFencedUnlessApplied(step billing.Step, found item) error {
	if reader(found).text(attributeWrite) == step.Record.Version {
		return nil
	}
	return billing.ErrFenced
}

// commitTransaction applies a step in one transaction.
func (s *Store) commitTransaction(ctx context.Context, step billing.Step) error {
	tx := s.buildTransaction(step)
	_, err := s.Client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: tx.items})
	var canceled *types.TransactionCanceledException
	switch {
	case err == nil:
		return nil
	case errors.As(err, &canceled):
		return tx.errCanceled(step, canceled)
	default:
		return fmt.Errorf("dynamodb: write %d items of %s: %w", len(tx.items), step.Record.InvoiceID, classify(err))
	}
}

// transaction holds the writes of a step: the record first, then the other items of the ledger, then the events.
type transaction struct {
	items  []types.TransactWriteItem
	events []billing.EventKey // the keys of the last len(events) items, which change events
}

// buildTransaction returns the writes of a step.
func (s *Store) buildTransaction(step billing.Step) transaction {
	record := step.Record
	tx := transaction{items: make([]types.TransactWriteItem, 0, step.Actions())}
	tx.addPut(s.putRecord(step))
	if step.Manifest != nil {
		tx.addPut(s.putNew(encodeManifest(*step.Manifest)))
	}
	if step.Claim != nil {
		tx.addPut(s.putNew(encodePage(record, *step.Claim)))
	}
	if step.Plan != nil {
		for _, part := range encodePlan(record, *step.Plan) {
			tx.addPut(s.putNew(part))
		}
	}
	if step.Final {
		tx.addPut(&types.Put{TableName: &s.LedgerTable, Item: item{
			attributeInvoiceID: text(finalKey(record.FinalInvoiceID)),
			"draft_id":         text(record.InvoiceID),
			attributeExpiresAt: number(record.UpdatedAt + int64(lookupTTL.Seconds())),
		}})
	}
	if step.Claim != nil {
		for _, subscription := range step.Claim.Subscriptions() {
			tx.addUpdate(s.addToSubscription(step, subscription))
		}
	}
	for _, key := range expiringKeys(step) {
		tx.addUpdate(s.expire(key, step.Expire.At))
	}

	changes := s.newEventChanges(record)
	if step.Claim != nil {
		for _, event := range step.Claim.Events {
			tx.addEvent(event.EventKey, changes.claim(event))
		}
	}
	for _, event := range step.Reclaim {
		tx.addEvent(event.EventKey, changes.claim(event))
	}
	for _, event := range step.Restore {
		tx.addEvent(event.EventKey, changes.restore(event))
	}
	for _, event := range step.Bill {
		tx.addEvent(event.EventKey, changes.bill(event))
	}
	for _, key := range step.BillChanged {
		tx.addEvent(key, changes.billChanged(key))
	}
	for _, key := range step.Release {
		tx.addEvent(key, changes.release(key))
	}
	return tx
}

// expiringKeys returns the keys of the items whose TTL the step sets.
func expiringKeys(step billing.Step) []string {
	var keys []string
	id, epoch := step.Record.InvoiceID, step.Record.Epoch
	for _, page := range step.Expire.Pages {
		keys = append(keys, pageKey(id, epoch, page))
	}
	for part := range step.Expire.PlanParts {
		keys = append(keys, partKey(id, epoch, part))
	}
	if step.Expire.Manifest {
		keys = append(keys, manifestKey(id, epoch))
	}
	return keys
}

func (t *transaction) addPut(put *types.Put) {
	t.items = append(t.items, types.TransactWriteItem{Put: put})
}

func (t *transaction) addUpdate(update *types.Update) {
	t.items = append(t.items, types.TransactWriteItem{Update: update})
}

func (t *transaction) addEvent(key billing.EventKey, update *types.Update) {
	t.events = append(t.events, key)
	t.addUpdate(update)
}

// errCanceled returns the error of a canceled transaction, by its reasons:
//
//	the condition on the record failed              errFencedUnlessApplied
//	otherwise, the first that is temporary          billing.ErrBusy
//	  or neither None nor a condition on an event   another error
//	otherwise, conditions on events                 *billing.EventsChanged
func (t *transaction) errCanceled(step billing.Step, canceled *types.TransactionCanceledException) error {
	reasons := canceled.CancellationReasons
	if len(reasons) != len(t.items) {
		return fmt.Errorf("dynamodb: transaction on %s: %w", step.Record.InvoiceID, canceled)
	}
	if aws.ToString(reasons[0].Code) == reasonCondition {
		return errFencedUnlessApplied(step, reasons[0].Item)
	}
	changed := &billing.EventsChanged{}
	for i, reason := range reasons {
		code := aws.ToString(reason.Code)
		event := i - (len(t.items) - len(t.events)) // index in t.events; negative for items of the ledger
		switch {
		case busyReasons[code]:
			return fmt.Errorf("dynamodb: transaction on %s: %w: %w", step.Record.InvoiceID, billing.ErrBusy, canceled)
		case code == reasonNone:
		case code == reasonCondition && event >= 0:
			found := reader(reason.Item)
			changed.Events = append(changed.Events, billing.ChangedEvent{
				EventKey:       t.events[event],
				Status:         statusOf(found),
				InvoiceID:      found.text(attributeInvoiceID),
				FinalInvoiceID: found.text("final_invoice_id"),
				Current:        decodeEvent(reason.Item),
			})
		case event >= 0:
			return fmt.Errorf("dynamodb: transaction on %s, event %s: %s: %w", step.Record.InvoiceID, t.events[event], code, canceled)
		default:
			return fmt.Errorf("dynamodb: transaction on %s, item %d: %s: %w", step.Record.InvoiceID, i, code, canceled)
		}
	}
	if len(changed.Events) == 0 {
		return fmt.Errorf("dynamodb: transaction on %s canceled without a reason: %w", step.Record.InvoiceID, canceled)
	}
	return changed
}

// putRecord returns the action that writes the record, on condition that the stored record has PreviousVersion; if
// PreviousVersion is empty, on condition that no record is stored.
func (s *Store) putRecord(step billing.Step) *types.Put {
	put := &types.Put{
		TableName:                           &s.LedgerTable,
		Item:                                encodeRecord(step.Record),
		ConditionExpression:                 aws.String("attribute_not_exists(invoice_id)"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	if step.PreviousVersion != "" {
		put.ConditionExpression = aws.String("#write = :previous") //mutant:fence
		put.ExpressionAttributeNames = map[string]string{"#write": attributeWrite}
		put.ExpressionAttributeValues = item{":previous": text(step.PreviousVersion)}
	}
	return put
}

// putNew returns the action that writes a ledger item that must not exist.
func (s *Store) putNew(newItem item) *types.Put {
	return &types.Put{
		TableName:           &s.LedgerTable,
		Item:                newItem,
		ConditionExpression: aws.String("attribute_not_exists(invoice_id)"),
	}
}

// expire returns the action that sets the TTL of a ledger item, on condition that the item exists.
func (s *Store) expire(key string, at int64) *types.Update {
	return &types.Update{
		TableName:                 &s.LedgerTable,
		Key:                       ledgerKey(key),
		UpdateExpression:          aws.String("SET expires_at = :at"),
		ConditionExpression:       aws.String("attribute_exists(invoice_id)"),
		ExpressionAttributeValues: item{":at": number(at)},
	}
}
