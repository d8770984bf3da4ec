package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// startActors starts everybody who makes the system work, and who meddles.
func (w *world) startActors(ctx context.Context) {
	for subscription, count := range w.plan.events {
		w.site.AddSubscription(chargebee.Subscription{
			ID: subscription, CustomerID: "customer", CurrencyCode: "EUR",
			Plan: chargebee.Plan{ItemPriceID: "team", Description: "Team plan", UnitAmount: 4900},
		})
		for i := range count {
			name := fmt.Sprintf("%s.%03d", subscription, i+1)
			w.act("producer", func(as *process) { w.produce(ctx, as, subscription, name) })
		}
	}
	for i, renewal := range w.plan.renewals {
		w.act("billing", func(*process) { w.renew(fmt.Sprint("renewal", i), renewal) })
	}
	for i := range w.plan.persons {
		w.act("person", func(as *process) { w.meddle(as, fmt.Sprint("person", i)) })
	}
	for i := range w.plan.operators {
		w.act("operator", func(as *process) { w.operate(ctx, as, fmt.Sprint("operator", i)) })
	}
	if w.plan.releases {
		w.act("releaser", func(as *process) {
			random := w.dice.of("releaser")
			for !w.calm.Load() {
				time.Sleep(between(random, time.Second, w.plan.consumer.Chargebee.LateBound/4))
				w.releaseAll(ctx, as)
			}
		})
	}
}

// renew makes a pending invoice, and may have its webhook sent again later.
func (w *world) renew(name string, renewal renewal) {
	random := w.dice.of(name)
	time.Sleep(renewal.after + between(random, 0, time.Second))
	invoice, event, err := w.site.Renew(chargebee.Renewal{SubscriptionIDs: renewal.subscriptions})
	if err != nil {
		w.faults.addf("%s: %v", name, err)
		return
	}
	w.timeline.notef("chargebee", "%s is pending, for %v", invoice.ID, renewal.subscriptions)
	w.books.opened(openedInvoice{invoice.ID, invoice.Date, renewal.subscriptions})
	if !w.plan.resends {
		return
	}
	time.Sleep(between(random, 0, w.plan.chaos-time.Since(w.began)))
	if err := w.site.Resend(event.ID); err != nil {
		w.faults.addf("%s: %v", name, err)
	}
	w.timeline.notef("chargebee", "sends %s once more", event.ID)
}

// produce writes one event, as docs/events.md says: it is created once, and tried
// until that is certain.
func (w *world) produce(ctx context.Context, as *process, subscription, id string) {
	random := w.dice.of("event", id)
	time.Sleep(between(random, 0, w.plan.writing))
	client := awsdynamodb.NewFromConfig(w.aws(as))
	amount := w.books.newEvent(subscription, id, random)
	item := map[string]types.AttributeValue{
		"subscription_id": text(subscription),
		"event_id":        text(id),
		"unbilled":        text(subscription),
		"occurred_at":     number(strconv.FormatInt(time.Now().Unix()-random.Int64N(3600)+60*random.Int64N(2), 10)),
		"charge_code":     text(fmt.Sprintf("code%d", 1+random.IntN(w.plan.codes))),
		"amount":          number(amount),
		"currency_code":   text("EUR"),
	}
	if random.IntN(3) == 0 {
		item["quantity"] = number(strconv.Itoa(random.IntN(100)))
	}
	bad := w.plan.badEvents && random.IntN(6) == 0
	if bad {
		spoil(random, item)
	}
	w.write(ctx, client, random, item)
	w.books.wrote(id)
	w.timeline.notef(as.name, "%s is written: %s", id, amount)
	if bad || w.plan.badEvents && random.IntN(2) == 0 {
		w.mend(ctx, client, random, subscription, id)
	}
}

// write creates the event, as often as it takes.
func (w *world) write(ctx context.Context, client *awsdynamodb.Client, random *rand.Rand, item map[string]types.AttributeValue) {
	var exists *types.ConditionalCheckFailedException
	for {
		_, err := client.PutItem(ctx, &awsdynamodb.PutItemInput{
			TableName:           aws.String(w.plan.consumer.Events.Table),
			Item:                item,
			ConditionExpression: aws.String("attribute_not_exists(event_id)"),
		})
		if err == nil || errors.As(err, &exists) {
			return
		}
		time.Sleep(between(random, time.Second, 3*time.Second))
	}
}

// spoil makes an event that cannot be billed.
func spoil(random *rand.Rand, item map[string]types.AttributeValue) {
	switch random.IntN(3) {
	case 0:
		item["amount"] = number("-5")
	case 1:
		delete(item, "charge_code")
	default:
		item["currency_code"] = text("USD")
	}
}

// mend gives an event that nobody claimed its final form, with another amount.
func (w *world) mend(ctx context.Context, client *awsdynamodb.Client, random *rand.Rand, subscription, id string) {
	renewal := w.plan.renewals[random.IntN(len(w.plan.renewals))]
	wait := renewal.after + between(random, -4*time.Second, 500*time.Millisecond) - time.Since(w.began)
	time.Sleep(max(wait, between(random, 0, 10*time.Second))) // just when it may be claimed
	amount := w.books.newAmount(id)
	update := &awsdynamodb.UpdateItemInput{
		TableName:           aws.String(w.plan.consumer.Events.Table),
		Key:                 map[string]types.AttributeValue{"subscription_id": text(subscription), "event_id": text(id)},
		UpdateExpression:    aws.String("SET amount = :amount, currency_code = :currency, charge_code = :code"),
		ConditionExpression: aws.String("attribute_exists(unbilled)"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":amount": number(amount), ":currency": text("EUR"), ":code": text("code1"),
		},
	}
	var claimed *types.ConditionalCheckFailedException
	for range 200 { // while it is claimed it may come back
		_, err := client.UpdateItem(ctx, update)
		if err == nil {
			w.books.wrote(id)
			w.timeline.notef("producer", "%s is mended: %s", id, amount)
			return
		}
		if errors.As(err, &claimed) && w.calm.Load() {
			return
		}
		time.Sleep(between(random, time.Second, 5*time.Second))
	}
}

func text(value string) types.AttributeValue   { return &types.AttributeValueMemberS{Value: value} }
func number(value string) types.AttributeValue { return &types.AttributeValueMemberN{Value: value} }
