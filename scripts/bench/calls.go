package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// justification is why a call is made at all. A call that stands not here is a defect:
// of the consumer, or of this table.
type justification struct {
	call string // "service operation"
	why  string
}

var justifications = []justification{
	{"Chargebee add_charge", "One for each line: the API adds one at a time."},
	{"Chargebee close", "One for each invoice."},
	{"Chargebee GET", "One for each invoice, to learn what it is: of the webhook only the id is believed, unless invoice.trust_webhook is set. With 100 lines or more, all are read once before closing and once on the closed invoice."},
	{"DynamoDB GetItem", "The head, once: is the invoice billed, somebody else's, or half done? Pages of claimed events are read again to settle them, but for the last one, which is at hand."},
	{"DynamoDB Query", "The unbilled events of each subscription, as many at a time as DynamoDB gives."},
	{"DynamoDB PutItem", "The head before each call to Chargebee that changes something: whoever takes over has to know that it may have happened. It also says that the line before was added. The lease, when it would not outlast the next call."},
	{"DynamoDB TransactWriteItems", "What has to be true at once or not at all: the manifest, each page of up to 97 events with its claim, the plan, each page of events becoming billed, the end."},
	{"DynamoDB UpdateItem", "Permits for calls to Chargebee, as many at a time as calls wait: about one for each call while few wait, two or three a second for each consumer while the limit is used up."},
	{"SQS ReceiveMessage", "Up to 10 messages at a time, as many as there are free slots."},
	{"SQS ChangeMessageVisibility", "None for what is finished within 20 s. The heartbeat of what takes longer, together with one more PutItem for the lease."},
	{"SQS DeleteMessageBatch", "Invoices that were finished while another batch was under way share one."},
}

// callRows lists the calls of a result with their justification. It returns an error
// for calls that have none.
func callRows(r result) ([][]string, error) {
	var rows [][]string
	left := maps.Clone(r.Calls)
	for _, known := range justifications {
		service, operation, _ := strings.Cut(known.call, " ")
		rows = append(rows, []string{service, operation, perInvoice(r, left[known.call]), known.why})
		delete(left, known.call)
	}
	if len(left) > 0 {
		return rows, fmt.Errorf("nobody justifies the calls %s", strings.Join(slices.Sorted(maps.Keys(left)), ", "))
	}
	return rows, nil
}

func perInvoice(r result, count int) string { return fmt.Sprintf("%.2f", r.perInvoice(count)) }
