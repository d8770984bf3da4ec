package simulation_test

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/billing"
)

// writeAgain breaks the rule of docs/events.md, at any time and up to three times: it puts the event again with
// the same or another amount, updates the amount, or deletes the event and repeats the write that created it.
func (e *env) writeAgain(ctx context.Context, as *process, client *awsdynamodb.Client, item map[string]types.AttributeValue, id string) {
	random := e.rng.rand("writes again", id)
	table := aws.String(e.scenario.consumer.Events.Table)
	key := map[string]types.AttributeValue{"subscription_id": item["subscription_id"], "event_id": item["event_id"]}
	other := maps.Clone(item)
	other["amount"] = numeric(strconv.FormatInt(1+random.Int64N(maxEventAmount), 10))
	create := &awsdynamodb.PutItemInput{TableName: table, Item: item, ConditionExpression: aws.String("attribute_not_exists(event_id)")}
	for range 1 + random.IntN(3) {
		time.Sleep(between(random, 0, e.scenario.chaos/2))
		var err error
		kind := [...]string{"puts", "puts another amount of", "updates", "deletes and creates"}[random.IntN(4)]
		switch kind {
		case "puts":
			_, err = client.PutItem(ctx, &awsdynamodb.PutItemInput{TableName: table, Item: item})
		case "puts another amount of":
			_, err = client.PutItem(ctx, &awsdynamodb.PutItemInput{TableName: table, Item: other})
		case "updates":
			_, err = client.UpdateItem(ctx, &awsdynamodb.UpdateItemInput{
				TableName: table, Key: key,
				UpdateExpression:          aws.String("SET amount = :amount"),
				ConditionExpression:       aws.String("attribute_exists(event_id)"),
				ExpressionAttributeValues: map[string]types.AttributeValue{":amount": other["amount"]},
			})
		default:
			_, err = client.DeleteItem(ctx, &awsdynamodb.DeleteItemInput{TableName: table, Key: key})
			time.Sleep(between(random, 0, 5*time.Second))
			for exists := false; !exists; time.Sleep(time.Second) {
				var failed *types.ConditionalCheckFailedException
				_, created := client.PutItem(ctx, create)
				exists = created == nil || errors.As(created, &failed)
			}
		}
		e.recorder.recordWriting(id) // which values it has, and since when, is uncertain
		e.timeline.logf(as.name, "%s %s again: %v", kind, id, err)
	}
}

// useClaims makes the ledger decide what became of events that producers write again: what an invoice charged
// for an event, and whether another invoice charged it too.
func (v *verifier) useClaims(ctx context.Context) {
	for _, invoice := range v.recorder.invoices {
		record := v.record(ctx, invoice.draft)
		releasing := record.State == billing.Releasing || record.Resume == billing.Releasing
		if record.Epoch == "" || record.ClaimsReleased() || releasing || record.Outcome == billing.Released {
			continue
		}
		plan, err := v.store.Plan(ctx, record.InvoiceID, record.Epoch)
		if err != nil {
			continue // its items expired
		}
		dispositions := map[billing.LineKey]billing.Disposition{}
		for i, line := range plan.Lines {
			dispositions[line.Key()] = record.Dispositions.Of(i)
			if record.Dispositions == "" && record.State == billing.Finished {
				dispositions[line.Key()] = billing.Charged
				if line.IsCredit() {
					dispositions[line.Key()] = billing.NotCharged
				}
			}
		}
		for number := range record.Pages {
			page, err := v.store.Page(ctx, record.InvoiceID, record.Epoch, number)
			if err != nil {
				v.failf("page %d of %s: %v", number, invoice.draft, err)
			}
			for _, claimed := range page.Events {
				v.useClaim(record, claimed, dispositions[claimed.Line()])
			}
		}
	}
}

func (v *verifier) useClaim(record billing.Record, claimed billing.Event, disposition billing.Disposition) {
	found := v.events[claimed.EventID]
	if disposition == billing.NotCharged || claimed.Fault != "" {
		return
	}
	if found.Status == billing.EventBilled && found.InvoiceID != record.InvoiceID {
		v.failf("%s is charged on %s, and billed on %s", claimed.EventID, record.InvoiceID, found.InvoiceID)
		return
	}
	found.EventID, found.SubscriptionID = claimed.EventID, claimed.SubscriptionID
	found.Status, found.InvoiceID, found.FinalID = billing.EventBilled, record.InvoiceID, record.FinalInvoiceID
	if disposition == billing.ChargeUnknown {
		found.Status, found.FinalID = billing.EventClaimed, ""
	}
	found.Amount, found.ChargeCode = claimed.Amount, claimed.ChargeCode
	v.events[claimed.EventID] = found
}
