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
	// The reasons of a canceled transaction.
	// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CancellationReason.html
	reasonNone      = "None"
	reasonCondition = "ConditionalCheckFailed"

	// aliasTTL is the time for which a record can be found by its final invoice id.
	aliasTTL = 180 * 24 * time.Hour
)

var busyReasons = map[string]bool{
	"TransactionConflict":           true,
	"ProvisionedThroughputExceeded": true,
	"ThrottlingError":               true,
}

// Commit applies the whole step or nothing. Errors: billing.ErrFenced, billing.ErrBusy,
// *billing.EventsChanged.
func (s *Store) Commit(ctx context.Context, step billing.Step) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if step.Actions() == 1 {
		return s.commitRecord(ctx, step)
	}
	return s.commitAll(ctx, step)
}

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
		return fenced(step, failed.Item)
	default:
		return fmt.Errorf("dynamodb: write the record of %s: %w", step.Record.InvoiceID, classify(err))
	}
}

// fenced returns billing.ErrFenced, or nil if the record has the version of this step: then the step
// was applied before, and its answer was lost.
func fenced(step billing.Step, found item) error {
	if reader(found).text(attributeWrite) == step.Record.Version {
		return nil
	}
	return billing.ErrFenced
}

func (s *Store) commitAll(ctx context.Context, step billing.Step) error {
	actions := s.actions(step)
	_, err := s.Client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: actions.items})
	var canceled *types.TransactionCanceledException
	switch {
	case err == nil:
		return nil
	case errors.As(err, &canceled):
		return actions.explain(step, canceled)
	default:
		return fmt.Errorf("dynamodb: write %d items of %s: %w", len(actions.items), step.Record.InvoiceID, classify(err))
	}
}

// actions is a step as a transaction: the record first, then the items of the epoch, then the events.
type actions struct {
	items  []types.TransactWriteItem
	events []billing.EventKey // of the last items
}

func (s *Store) actions(step billing.Step) actions {
	record := step.Record
	all := actions{items: make([]types.TransactWriteItem, 0, step.Actions())}
	all.put(s.putRecord(step))
	if step.Manifest != nil {
		all.put(s.putNew(encodeManifest(*step.Manifest)))
	}
	if step.Claim != nil {
		all.put(s.putNew(encodePage(record, *step.Claim)))
	}
	if step.Plan != nil {
		for _, part := range encodePlan(record, *step.Plan) {
			all.put(s.putNew(part))
		}
	}
	if step.Final {
		all.put(&types.Put{TableName: &s.LedgerTable, Item: item{
			attributeInvoiceID: text(finalKey(record.FinalInvoiceID)),
			"draft_id":         text(record.InvoiceID),
			attributeExpiresAt: number(record.UpdatedAt + int64(aliasTTL.Seconds())),
		}})
	}
	for _, key := range expiring(step) {
		all.update(s.expire(key, step.Expire.At))
	}

	change := s.eventChanges(record)
	if step.Claim != nil {
		for _, event := range step.Claim.Events {
			all.event(event.EventKey, change.claim(event))
		}
	}
	for _, event := range step.Reclaim {
		all.event(event.EventKey, change.claim(event))
	}
	for _, event := range step.Bill {
		all.event(event.EventKey, change.bill(event))
	}
	for _, key := range step.BillChanged {
		all.event(key, change.billChanged(key))
	}
	for _, key := range step.Release {
		all.event(key, change.release(key))
	}
	return all
}

func expiring(step billing.Step) []string {
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

func (a *actions) put(put *types.Put) { a.items = append(a.items, types.TransactWriteItem{Put: put}) }

func (a *actions) update(update *types.Update) {
	a.items = append(a.items, types.TransactWriteItem{Update: update})
}

func (a *actions) event(key billing.EventKey, update *types.Update) {
	a.events = append(a.events, key)
	a.update(update)
}

// explain returns the error of a canceled transaction. If the record has another version, that is the
// reason, whatever the others are.
func (a *actions) explain(step billing.Step, canceled *types.TransactionCanceledException) error {
	reasons := canceled.CancellationReasons
	if len(reasons) != len(a.items) {
		return fmt.Errorf("dynamodb: transaction on %s: %w", step.Record.InvoiceID, canceled)
	}
	if aws.ToString(reasons[0].Code) == reasonCondition {
		return fenced(step, reasons[0].Item)
	}
	changed := &billing.EventsChanged{}
	for i, reason := range reasons {
		code := aws.ToString(reason.Code)
		event := i - (len(a.items) - len(a.events))
		switch {
		case busyReasons[code]:
			return fmt.Errorf("dynamodb: transaction on %s: %w: %w", step.Record.InvoiceID, billing.ErrBusy, canceled)
		case code == reasonNone:
		case code == reasonCondition && event >= 0:
			found := reader(reason.Item)
			changed.Events = append(changed.Events, billing.ChangedEvent{
				EventKey:       a.events[event],
				Status:         statusOf(found),
				InvoiceID:      found.text(attributeInvoiceID),
				FinalInvoiceID: found.text("final_invoice_id"),
				Current:        decodeEvent(reason.Item),
			})
		case event >= 0:
			return fmt.Errorf("dynamodb: transaction on %s, event %s: %s: %w", step.Record.InvoiceID, a.events[event], code, canceled)
		default:
			return fmt.Errorf("dynamodb: transaction on %s, item %d: %s: %w", step.Record.InvoiceID, i, code, canceled)
		}
	}
	if len(changed.Events) == 0 {
		return fmt.Errorf("dynamodb: transaction on %s canceled without a reason: %w", step.Record.InvoiceID, canceled)
	}
	return changed
}

// putRecord writes the record if it has the version that the step requires.
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

// putNew writes an item that must not exist.
func (s *Store) putNew(item item) *types.Put {
	return &types.Put{
		TableName:           &s.LedgerTable,
		Item:                item,
		ConditionExpression: aws.String("attribute_not_exists(invoice_id)"),
	}
}

// expire sets the TTL of an item.
func (s *Store) expire(key string, at int64) *types.Update {
	return &types.Update{
		TableName:                 &s.LedgerTable,
		Key:                       ledgerKey(key),
		UpdateExpression:          aws.String("SET expires_at = :at"),
		ConditionExpression:       aws.String("attribute_exists(invoice_id)"),
		ExpressionAttributeValues: item{":at": number(at)},
	}
}
