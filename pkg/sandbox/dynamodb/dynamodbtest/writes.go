package dynamodbtest

import (
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// write is a call of PutItem, UpdateItem or DeleteItem, or an action of a transaction.
type write struct {
	put       attributes // the item of a put
	key       attributes // of all others. Defaults to pk=a
	update    string
	isUpdate  bool // of an update without an expression
	isCheck   bool
	condition string
	names     map[string]string
	values    attributes
	returns   types.ReturnValue
}

const allOld = types.ReturnValuesOnConditionCheckFailureAllOld

// in returns the write as an action of a transaction. A failed condition returns the old
// item.
func (w write) in(table string) types.TransactWriteItem {
	condition := text(w.condition)
	if w.key == nil {
		w.key = item("pk", "a")
	}
	switch {
	case w.put != nil:
		return types.TransactWriteItem{Put: &types.Put{
			TableName: &table, Item: w.put, ConditionExpression: condition,
			ExpressionAttributeNames: w.names, ExpressionAttributeValues: w.values, ReturnValuesOnConditionCheckFailure: allOld,
		}}
	case w.isCheck:
		return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
			TableName: &table, Key: w.key, ConditionExpression: condition,
			ExpressionAttributeNames: w.names, ExpressionAttributeValues: w.values, ReturnValuesOnConditionCheckFailure: allOld,
		}}
	case w.update != "" || w.isUpdate:
		return types.TransactWriteItem{Update: &types.Update{
			TableName: &table, Key: w.key, UpdateExpression: text(w.update), ConditionExpression: condition,
			ExpressionAttributeNames: w.names, ExpressionAttributeValues: w.values, ReturnValuesOnConditionCheckFailure: allOld,
		}}
	}
	return types.TransactWriteItem{Delete: &types.Delete{
		TableName: &table, Key: w.key, ConditionExpression: condition,
		ExpressionAttributeNames: w.names, ExpressionAttributeValues: w.values, ReturnValuesOnConditionCheckFailure: allOld,
	}}
}

// try makes a single write and returns the attributes that it returns.
func (b *bench) try(table string, w write) (attributes, error) {
	switch action := w.in(table); {
	case action.Put != nil:
		out, err := b.client.PutItem(b.Context(), &dynamodb.PutItemInput{
			TableName: &table, Item: w.put, ConditionExpression: action.Put.ConditionExpression,
			ExpressionAttributeNames: w.names, ExpressionAttributeValues: w.values,
			ReturnValues: w.returns, ReturnValuesOnConditionCheckFailure: allOld,
		})
		if err != nil {
			return nil, err
		}
		return out.Attributes, nil
	case action.Update != nil:
		out, err := b.client.UpdateItem(b.Context(), &dynamodb.UpdateItemInput{
			TableName: &table, Key: action.Update.Key, UpdateExpression: action.Update.UpdateExpression,
			ConditionExpression:      action.Update.ConditionExpression,
			ExpressionAttributeNames: w.names, ExpressionAttributeValues: w.values,
			ReturnValues: w.returns, ReturnValuesOnConditionCheckFailure: allOld,
		})
		if err != nil {
			return nil, err
		}
		return out.Attributes, nil
	default:
		out, err := b.client.DeleteItem(b.Context(), &dynamodb.DeleteItemInput{
			TableName: &table, Key: action.Delete.Key, ConditionExpression: action.Delete.ConditionExpression,
			ExpressionAttributeNames: w.names, ExpressionAttributeValues: w.values,
			ReturnValues: w.returns, ReturnValuesOnConditionCheckFailure: allOld,
		})
		if err != nil {
			return nil, err
		}
		return out.Attributes, nil
	}
}

// refuse requires a write to be invalid, with a message that has all fragments.
func (b *bench) refuse(table string, w write, fragments ...string) {
	b.Helper()
	_, err := b.try(table, w)
	b.invalid(err, fragments...)
}

// write makes a write that must succeed.
func (b *bench) write(table string, w write) attributes {
	b.Helper()
	returned, err := b.try(table, w)
	b.must(err)
	return returned
}

// failsCondition requires the condition of a write to fail, and returns the old item.
func (b *bench) failsCondition(table string, w write) attributes {
	b.Helper()
	_, err := b.try(table, w)
	return b.conditionFailed(err).Item
}
