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
	w.subscribe(otherSubscription)
	for subscription, count := range w.plan.events {
		w.subscribe(subscription)
		for i := range count {
			w.act("producer", func(as *process) { w.produce(ctx, as, subscription, i+1) })
		}
	}
	for i, renewal := range w.plan.renewals {
		w.act("billing", func(*process) { w.renew(i, renewal) })
	}
	for i := range w.plan.persons {
		w.act("person", func(as *process) { w.meddle(as, fmt.Sprint("person", i)) })
	}
	for i := range w.plan.edits {
		w.act("editor", func(as *process) { w.editDraft(as, i) })
	}
	for i := range w.plan.operators {
		w.act("operator", func(as *process) { w.operate(ctx, as, fmt.Sprint("operator", i)) })
	}
	if w.plan.releases {
		w.act("releaser", func(as *process) {
			random := w.dice.of("releaser")
			for !w.calm.Load() {
				time.Sleep(between(random, time.Second, w.plan.consumer.Chargebee.MaxEffectDelay/4))
				w.releaseAll(ctx, as)
			}
		})
	}
}

// subscribe adds a subscription with the plan and the addons that all have.
func (w *world) subscribe(id string) {
	subscription := chargebee.Subscription{
		ID: id, CustomerID: "customer", CurrencyCode: "EUR",
		Plan: chargebee.Plan{ItemPriceID: "team", Description: "Team plan", UnitAmount: 4900},
	}
	for i := range w.plan.addons {
		subscription.Addons = append(subscription.Addons, chargebee.Addon{
			ItemPriceID: fmt.Sprint("addon", i), Description: "Addon", UnitAmount: 100,
		})
	}
	w.site.AddSubscription(subscription)
}

// renew makes a pending invoice, and may have its webhook sent again later.
func (w *world) renew(number int, renewal renewal) {
	name := fmt.Sprint("renewal", number)
	random := w.dice.of(name)
	time.Sleep(renewal.after + between(random, 0, time.Second))
	invoice, event, err := w.site.Renew(chargebee.Renewal{SubscriptionIDs: renewal.subscriptions})
	if err != nil {
		w.faults.addf("%s: %v", name, err)
		return
	}
	w.timeline.notef("chargebee", "%s is pending, for %v", invoice.ID, renewal.subscriptions)
	w.books.opened(openedInvoice{number, invoice.ID, invoice.Date, renewal.subscriptions})
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
func (w *world) produce(ctx context.Context, as *process, subscription string, number int) {
	id := eventID(subscription, number)
	random := w.dice.of("event", id)
	time.Sleep(between(random, 0, w.plan.writing))
	client := awsdynamodb.NewFromConfig(w.aws(as))
	charge := w.chargeOf(subscription, number)
	w.books.newEvent(subscription, id)
	item := map[string]types.AttributeValue{
		"subscription_id": text(subscription),
		"event_id":        text(id),
		"unbilled":        text(subscription),
		"occurred_at":     decimal(strconv.FormatInt(time.Now().Unix()-random.Int64N(3600)+60*random.Int64N(2), 10)),
		"charge_code":     text(charge.code),
		"amount":          decimal(charge.amount),
		"currency_code":   text("EUR"),
	}
	if random.IntN(3) == 0 {
		item["quantity"] = decimal(strconv.Itoa(random.IntN(100)))
	}
	bad := w.plan.badEvents && random.IntN(6) == 0
	if bad {
		spoil(random, item)
	}
	w.write(ctx, client, random, item)
	w.books.wrote(id)
	w.timeline.notef(as.name, "%s is written: %s", id, charge.amount)
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
		item["amount"] = decimal("1e30") // more than an invoice can have
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
	amount := w.newAmount(id)
	update := &awsdynamodb.UpdateItemInput{
		TableName:           aws.String(w.plan.consumer.Events.Table),
		Key:                 map[string]types.AttributeValue{"subscription_id": text(subscription), "event_id": text(id)},
		UpdateExpression:    aws.String("SET amount = :amount, currency_code = :currency, charge_code = :code"),
		ConditionExpression: aws.String("attribute_exists(unbilled)"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":amount": decimal(amount), ":currency": text("EUR"), ":code": text("code1"),
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

func text(value string) types.AttributeValue    { return &types.AttributeValueMemberS{Value: value} }
func decimal(value string) types.AttributeValue { return &types.AttributeValueMemberN{Value: value} }
