package simulation_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// startActors starts producers, renewals, manual edits and operators.
func (e *env) startActors(ctx context.Context) {
	e.subscribe(otherSubscription)
	for subscription, count := range e.scenario.events {
		e.subscribe(subscription)
		for i := range count {
			e.startActor("producer", func(as *process) { e.produce(ctx, as, subscription, i+1) })
		}
	}
	for i, renewal := range e.scenario.renewals {
		e.startActor("billing", func(*process) { e.renew(i, renewal) })
	}
	for i := range e.scenario.manualEdits {
		e.startActor("manual edit", func(as *process) { e.editInvoice(as, fmt.Sprint("person", i)) })
	}
	for i := range e.scenario.subscriptionEdits {
		e.startActor("manual edit", func(as *process) { e.editSubscription(as, i) })
	}
	for i := range e.scenario.operators {
		e.startActor("operator", func(as *process) { e.operate(ctx, as, fmt.Sprint("operator", i)) })
	}
	if e.scenario.voids {
		e.startActor("accountant", func(as *process) { e.voidInvoices(ctx, as) })
	}
	if e.scenario.releases {
		e.startActor("releaser", func(as *process) {
			random := e.rng.rand("releaser")
			for !e.faultsOff.Load() {
				time.Sleep(between(random, time.Second, e.scenario.consumer.Chargebee.MaxEffectDelay/4))
				e.releaseAll(ctx, as)
			}
		})
	}
}

// subscribe adds a subscription with a plan and addons.
func (e *env) subscribe(id string) {
	subscription := chargebee.Subscription{
		ID: id, CustomerID: "customer", CurrencyCode: "EUR",
		Plan: chargebee.Plan{ItemPriceID: "team", Description: "Team plan", UnitAmount: 4900},
	}
	for i := range e.scenario.addons {
		subscription.Addons = append(subscription.Addons, chargebee.Addon{
			ItemPriceID: fmt.Sprint("addon", i), Description: "Addon", UnitAmount: 100,
		})
	}
	e.site.AddSubscription(subscription)
}

// renew creates a pending invoice, and may have its webhook sent again later.
func (e *env) renew(number int, renewal renewal) {
	name := fmt.Sprint("renewal", number)
	random := e.rng.rand(name)
	time.Sleep(renewal.after + between(random, 0, time.Second))
	invoice, event, err := e.site.Renew(chargebee.Renewal{SubscriptionIDs: renewal.subscriptions})
	if err != nil {
		e.violations.addf("%s: %v", name, err)
		return
	}
	e.timeline.logf("chargebee", "%s is pending, for %v", invoice.ID, renewal.subscriptions)
	e.recorder.recordInvoice(invoiceRecord{number, invoice.ID, invoice.Date, renewal.subscriptions})
	if !e.scenario.resends {
		return
	}
	time.Sleep(between(random, 0, e.scenario.chaos-time.Since(e.began)))
	if err := e.site.Resend(event.ID); err != nil {
		e.violations.addf("%s: %v", name, err)
	}
	e.timeline.logf("chargebee", "sends %s once more", event.ID)
}

// produce writes one event as docs/events.md requires: it repeats the conditional write until that
// has certainly succeeded.
func (e *env) produce(ctx context.Context, as *process, subscription string, number int) {
	id := eventID(subscription, number)
	random := e.rng.rand("event", id)
	time.Sleep(between(random, 0, e.scenario.writing))
	client := awsdynamodb.NewFromConfig(e.aws(as))
	charge := e.drawCharge(subscription, number)
	e.recorder.recordWriting(id)
	item := map[string]types.AttributeValue{
		"subscription_id": text(subscription),
		"event_id":        text(id),
		"unbilled":        text(subscription),
		"occurred_at":     numeric(strconv.FormatInt(time.Now().Unix()-random.Int64N(3600)+60*random.Int64N(2), 10)),
		"charge_code":     text(charge.code),
		"amount":          numeric(charge.amount),
		"currency_code":   text("EUR"),
	}
	if random.IntN(3) == 0 {
		item["quantity"] = numeric(strconv.Itoa(random.IntN(100)))
	}
	corrupted := e.scenario.badEvents && random.IntN(6) == 0
	if corrupted {
		corrupt(random, item)
	}
	var exists *types.ConditionalCheckFailedException
	for {
		_, err := client.PutItem(ctx, &awsdynamodb.PutItemInput{
			TableName:           aws.String(e.scenario.consumer.Events.Table),
			Item:                item,
			ConditionExpression: aws.String("attribute_not_exists(event_id)"),
		})
		if err == nil || errors.As(err, &exists) {
			break
		}
		time.Sleep(between(random, time.Second, 3*time.Second))
	}
	e.recorder.recordWritten(id)
	e.timeline.logf(as.name, "%s is written: %s", id, charge.amount)
	if corrupted || e.scenario.badEvents && coin(random) {
		e.rewrite(ctx, client, random, subscription, id)
	}
	if e.scenario.rewrites && e.rng.rand("breaks the rule", id).IntN(3) == 0 {
		e.writeAgain(ctx, as, client, item, id)
	}
}

// corrupt makes an event that cannot be billed.
func corrupt(random *rand.Rand, item map[string]types.AttributeValue) {
	switch random.IntN(3) {
	case 0:
		item["amount"] = numeric("1e30") // above the maximum of an invoice
	case 1:
		delete(item, "charge_code")
	default:
		item["currency_code"] = text("USD")
	}
}

// rewrite gives an unbilled event its final values, at about the time at which it may be claimed.
func (e *env) rewrite(ctx context.Context, client *awsdynamodb.Client, random *rand.Rand, subscription, id string) {
	renewal := e.scenario.renewals[random.IntN(len(e.scenario.renewals))]
	wait := renewal.after + between(random, -4*time.Second, 500*time.Millisecond) - time.Since(e.began)
	time.Sleep(max(wait, between(random, 0, 10*time.Second)))
	amount := strconv.FormatInt(1+e.rng.rand("new amount", id).Int64N(maxEventAmount), 10)
	update := &awsdynamodb.UpdateItemInput{
		TableName:           aws.String(e.scenario.consumer.Events.Table),
		Key:                 map[string]types.AttributeValue{"subscription_id": text(subscription), "event_id": text(id)},
		UpdateExpression:    aws.String("SET amount = :amount, currency_code = :currency, charge_code = :code"),
		ConditionExpression: aws.String("attribute_exists(unbilled)"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":amount": numeric(amount), ":currency": text("EUR"), ":code": text("code1"),
		},
	}
	var claimed *types.ConditionalCheckFailedException
	for range 200 { // a claimed event may be released
		_, err := client.UpdateItem(ctx, update)
		if err == nil {
			e.recorder.recordWritten(id)
			e.timeline.logf("producer", "%s is rewritten: %s", id, amount)
			return
		}
		if errors.As(err, &claimed) && e.faultsOff.Load() {
			return
		}
		time.Sleep(between(random, time.Second, 5*time.Second))
	}
}

func text(value string) types.AttributeValue    { return &types.AttributeValueMemberS{Value: value} }
func numeric(value string) types.AttributeValue { return &types.AttributeValueMemberN{Value: value} }

// charge is the charge of one event.
type charge struct{ code, amount string }

// maxEventAmount bounds the amount of one event: the events of all subscriptions on one invoice
// stay far below the maximum of an invoice.
const maxEventAmount = 1 << 40

// drawCharge draws the charge of an event. Events of a subscription are numbered from 1.
//
// Amounts are random and so large that no two sets of events have the same sum. Some have a fraction
// so small that all fractions together round to 0. With credits, a subscription has negative events:
// any of them, or exact negatives of the event before, which make lines of 0.
func (e *env) drawCharge(subscription string, number int) charge {
	id := eventID(subscription, number)
	random := e.rng.rand("amount", id)
	amount := strconv.FormatInt(1+random.Int64N(maxEventAmount), 10)
	if random.IntN(4) == 0 {
		amount += ".004"
	}
	if random.IntN(20) == 0 {
		amount = "0"
	}
	drawn := charge{fmt.Sprintf("code%d", 1+e.rng.rand("code", id).IntN(e.scenario.codes)), amount}
	if !e.scenario.credits {
		return drawn
	}
	switch kind := e.rng.rand("credits", subscription).IntN(3); {
	case kind == 1 && random.IntN(3) == 0:
		drawn.amount = negative(drawn.amount)
	case kind == 2 && number%2 == 0 && coin(random):
		drawn = e.drawCharge(subscription, number-1)
		drawn.amount = negative(drawn.amount)
	}
	return drawn
}

func negative(amount string) string {
	if amount == "0" {
		return amount
	}
	return "-" + amount
}

func eventID(subscription string, number int) string {
	return fmt.Sprintf("%s.%03d", subscription, number)
}

// isAdded reports whether a line was added to the lines of the subscription.
func isAdded(line chargebee.LineItem) bool {
	return line.EntityType == chargebee.EntityAdhoc || line.EntityType == chargebee.EntityChargeItemPrice
}

// manualMark marks lines that were added by hand. It is in a field that no answer has, and that the
// close keeps.
const manualMark = "manual"

// isCharge reports whether the product added a line.
func isCharge(line chargebee.LineItem) bool {
	return isAdded(line) && line.Tax.AvalaraTaxCode != manualMark
}

// itemPriceSuffix follows the charge code in the id of its item price.
const itemPriceSuffix = "-EUR"

// codeOf returns the charge code of a line that the product added.
func codeOf(line chargebee.LineItem) string {
	switch {
	case line.Tax.TaxJarProductCode != "": // see removeMarker
		return line.Tax.TaxJarProductCode
	case line.EntityID != "":
		return strings.TrimSuffix(line.EntityID, itemPriceSuffix)
	default:
		code, _, _ := strings.Cut(line.Description, " ")
		return code
	}
}
