package simulation_test

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/commands"
	"github.com/billable-events/billable/pkg/dynamostore"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/settlement"
)

// operate returns dead letters to the queue: all as soon as there are any, or once, by a replay or
// by a redrive of SQS.
func (e *env) operate(ctx context.Context, as *process, name string) {
	random := e.rng.rand(name)
	if e.scenario.eagerReplays {
		for !e.faultsOff.Load() {
			e.replay(ctx, as)
			time.Sleep(between(random, 200*time.Millisecond, 2*time.Second))
		}
		return
	}
	time.Sleep(between(random, e.scenario.chaos/4, e.scenario.chaos))
	if coin(random) {
		e.replay(ctx, as)
		return
	}
	_, err := awssqs.NewFromConfig(e.aws(as)).StartMessageMoveTask(ctx, &awssqs.StartMessageMoveTaskInput{
		SourceArn: aws.String(queueARN(deadLetterName)),
	})
	e.timeline.logf(as.name, "redrives the dead letters: %v", err)
}

// replayVisibility is the time for which replay hides dead letters from other readers.
const replayVisibility = time.Minute

// replay returns all dead letters to the queue. Each is sent before it is deleted, so that a fault
// may duplicate one but never lose it.
func (e *env) replay(ctx context.Context, as *process) {
	client := awssqs.NewFromConfig(e.aws(as))
	for range 100 {
		received, err := client.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{
			QueueUrl:              aws.String(deadLetterURL),
			MaxNumberOfMessages:   10,
			VisibilityTimeout:     int32(replayVisibility.Seconds()),
			MessageAttributeNames: []string{"All"},
		})
		if err != nil {
			time.Sleep(time.Second + time.Duration(len(as.name))*time.Microsecond)
			continue
		}
		if len(received.Messages) == 0 {
			return
		}
		for _, message := range received.Messages {
			_, err := client.SendMessage(ctx, &awssqs.SendMessageInput{
				QueueUrl:          aws.String(queueURL),
				MessageBody:       message.Body,
				MessageAttributes: replayAttributes(message.MessageAttributes),
			})
			if err != nil {
				continue
			}
			e.timeline.logf(as.name, "replays %s", *message.MessageAttributes[queue.AttributeInvoiceID].StringValue)
			_, _ = client.DeleteMessage(ctx, &awssqs.DeleteMessageInput{
				QueueUrl: aws.String(deadLetterURL), ReceiptHandle: message.ReceiptHandle,
			})
		}
	}
}

// replayAttributes returns the attributes of the message that replaces a dead letter.
func replayAttributes(deadLetter map[string]types.MessageAttributeValue) map[string]types.MessageAttributeValue {
	attributes := maps.Clone(deadLetter)
	for _, name := range []string{queue.AttributeReason, queue.AttributeDetail, queue.AttributeFailedAt} {
		delete(attributes, name)
	}
	replays, _ := strconv.Atoi(aws.ToString(deadLetter[queue.AttributeReplayCount].StringValue))
	attributes[queue.AttributeReplayCount] = types.MessageAttributeValue{
		DataType: aws.String("String"), StringValue: aws.String(strconv.Itoa(replays + 1)),
	}
	return attributes
}

// store returns the product's access to the tables, as a process reaches them.
func (e *env) store(as *process) *dynamostore.Store {
	return &dynamostore.Store{
		Client:      awsdynamodb.NewFromConfig(e.aws(as)),
		EventsTable: e.scenario.consumer.Events.Table,
		LedgerTable: e.scenario.consumer.Ledger.Table,
	}
}

// releaseAll tries once to release the events of each rejected invoice, as an operator does who
// follows the error messages: it removes our lines from some drafts, and asserts in some releases
// what was not charged. It returns the number of invoices that still hold events.
func (e *env) releaseAll(ctx context.Context, as *process) (remaining int) {
	store := e.store(as)
	for _, created := range e.recorder.list() {
		record, ok, err := store.Record(ctx, created.draft)
		if err != nil || !ok || record.State != billing.Rejected || !record.HoldsClaims() {
			continue
		}
		random := e.rng.rand("release", created.draft, as.name, time.Since(e.began).String())
		if coin(e.rng.rand("clears", created.draft)) {
			e.removeOurLines(as, created.draft)
		}
		order := settlement.Order{InvoiceID: created.draft}
		if coin(random) && !e.mayBeCharged(ctx, store, record) {
			order.NotCharged = "looked at all invoices"
		}
		_, err = e.commandDeps(as).Release(ctx, order)
		e.timeline.logf(as.name, "releases %s, %s, sending %t, gone %t: %v", created.draft, record.Reason, record.IsSending(), record.MissingSince != 0, err)
		if err != nil {
			remaining++
		}
	}
	return remaining
}

// commandDeps returns what a command is given.
func (e *env) commandDeps(as *process) commands.Deps {
	return commands.Deps{
		Deps:     e.deps(as),
		Settings: e.scenario.consumer,
		Mismatch: func(text string) {
			if !e.scenario.rewrites {
				e.violations.addf("%s: an alarm: %s", as.name, text)
			}
		},
	}
}

// releaseRemaining releases until nothing is left to release, or for as long as a release can be refused
// as too early.
func (e *env) releaseRemaining(ctx context.Context, as *process, release func(context.Context, *process) (remaining int)) {
	delay := e.scenario.consumer.Chargebee.MaxEffectDelay
	for deadline := time.Now().Add(10 * delay); time.Now().Before(deadline); time.Sleep(delay / 2) {
		if release(ctx, as) == 0 {
			return
		}
	}
}

// removeOurLines removes our lines from a pending draft.
func (e *env) removeOurLines(as *process, draft string) {
	invoice, ok := e.site.Invoice(draft)
	if !ok || !isPending(invoice) {
		return
	}
	for _, line := range invoice.LineItems {
		if isCharge(line) {
			e.timeline.logf(as.name, "removes %q from %s: %v", line.Description, draft, e.site.RemoveLine(draft, line.ID))
		}
	}
}

// mayBeCharged reports whether a line of the invoice's plan may be on an invoice without its marker.
// An operator has to exclude that.
func (e *env) mayBeCharged(ctx context.Context, store *dynamostore.Store, record billing.Record) bool {
	plan, err := store.Plan(ctx, record.InvoiceID, record.Epoch)
	if err != nil {
		return true
	}
	resembles := func(line chargebee.LineItem) bool {
		return isCharge(line) && slices.ContainsFunc(plan.Lines, func(planned billing.Line) bool {
			marked := planned.Marker != "" && strings.Contains(line.Description, planned.Marker)
			return planned.Amount == line.Amount && !marked // whatever its subscription: that of the draft may have changed
		})
	}
	return slices.ContainsFunc(e.site.Invoices(), func(invoice chargebee.Invoice) bool {
		return !isWithdrawn(invoice) && slices.ContainsFunc(invoice.LineItems, resembles)
	})
}
