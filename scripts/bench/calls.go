package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// callCounter counts the calls that the fakes receive over the network, by service and operation.
type callCounter struct {
	mu    sync.Mutex
	calls map[string]int
}

// count makes the counter see the calls of a fake's server.
func (c *callCounter) count(service string, server *http.Server) {
	handler := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		if c.calls == nil {
			c.calls = map[string]int{}
		}
		c.calls[service+" "+operationOf(r)]++
		c.mu.Unlock()
		handler.ServeHTTP(w, r)
	})
}

// take returns the calls since the last time.
func (c *callCounter) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = nil
	return calls
}

// operationOf returns the operation of a call: AWS sends it in a header, Chargebee at the end of the
// path.
func operationOf(r *http.Request) string {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		return target[strings.LastIndexByte(target, '.')+1:]
	}
	if r.Method == http.MethodPost {
		return r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	}
	return r.Method
}

// callsOf returns the number of calls of a service.
func callsOf(calls map[string]int, service string) (total int) {
	for call, count := range calls {
		if strings.HasPrefix(call, service+" ") {
			total += count
		}
	}
	return total
}

// expectedCalls are all calls that a consumer makes, with the reason. Any other call is a defect, of
// the consumer or of this table.
var expectedCalls = []struct{ call, reason string }{
	{"Chargebee add_charge", "One for each line: the API adds one at a time."},
	{"Chargebee close", "One for each invoice."},
	{"Chargebee GET", "One for each invoice: of the webhook only the id is trusted, unless invoice.trust_webhook is set. With 100 lines or more, all are read once before closing and once on the closed invoice."},
	{"DynamoDB GetItem", "The invoice record, and the invoices of each subscription with events, once. Pages of claimed events are read again to settle them, except for the last one, which is in memory."},
	{"DynamoDB Query", "The unbilled events of each subscription, as many at a time as DynamoDB returns."},
	{"DynamoDB PutItem", "The invoice record before each call to Chargebee that changes something, so that the next owner can read that it may have happened. It also records the line before as added. The lease, when it would expire before the end of the next call."},
	{"DynamoDB TransactWriteItems", "What must change atomically: the manifest, each page of up to 96 events with its claim, the plan, each page of events that become billed, the end."},
	{"DynamoDB UpdateItem", "Permits for calls to Chargebee, as many at a time as calls wait: about one for each call while few wait, two or three a second for each consumer while the limit is used up."},
	{"SQS GetQueueAttributes", "Whether the queue responds, every 15 s."},
	{"SQS ReceiveMessage", "Up to 10 messages at a time, as many as there are free slots."},
	{"SQS ChangeMessageVisibility", "None for messages finished within 20 s. The heartbeat of longer ones, together with one more PutItem for the lease."},
	{"SQS DeleteMessageBatch", "Invoices that finish while another batch is in flight share one."},
}

// checkExpected returns an error for a call that is not in the table.
func checkExpected(calls map[string]int) error {
	other := maps.Clone(calls)
	for _, expected := range expectedCalls {
		delete(other, expected.call)
	}
	if len(other) > 0 {
		return fmt.Errorf("unexpected calls: %s; list them in expectedCalls with their reason", strings.Join(slices.Sorted(maps.Keys(other)), ", "))
	}
	return nil
}
