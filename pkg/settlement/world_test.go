package settlement_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/budget"
	"github.com/billable-events/billable/pkg/chargebeeapi"
	"github.com/billable-events/billable/pkg/dynamostore"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/books"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
	"github.com/billable-events/billable/pkg/settlement"
)

// settings are the defaults of the product.
var settings = settlement.Settings{
	Lease:              time.Minute,
	CallTimeout:        30 * time.Second,
	LateBound:          5 * time.Minute,
	IdempotencyWindow:  30 * time.Minute,
	MaxSkew:            30 * time.Second,
	MaxAttempts:        10,
	Close:              true,
	CloseWithoutEvents: true,
}

// world is a site, its tables, and everything that a settler needs of them, in
// virtual time: the real SDKs call the stand-ins in process.
type world struct {
	t        *testing.T
	settings settlement.Settings

	chargebee *chargebee.Service
	tables    *dynamodb.Service
	sdk       *awsdynamodb.Client
	store     *dynamostore.Store

	written int // events
	notes   *observer
}

// newWorld must be called inside a bubble. faults may be nil.
func newWorld(t *testing.T, faults sandbox.Faults) *world {
	t.Helper()
	return newWorldOf(t, chargebee.Config{Faults: faults, Latency: 50 * time.Millisecond}, dynamodb.Config{})
}

func newWorldOf(t *testing.T, site chargebee.Config, tables dynamodb.Config) *world {
	t.Helper()
	site.APIKey, site.KeepDate = "key", true
	w := &world{
		t:         t,
		settings:  settings,
		chargebee: chargebee.New(site),
		tables:    dynamodb.New(tables),
		notes:     &observer{},
	}
	w.sdk = newDynamoDB(sandbox.Transport{Handler: w.tables})
	w.store = &dynamostore.Store{Client: w.sdk, EventsTable: "events", LedgerTable: "ledger"}
	if _, err := (&dynamostore.Tables{Client: w.sdk, EventsTable: "events", LedgerTable: "ledger"}).Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

func newDynamoDB(transport http.RoundTripper) *awsdynamodb.Client {
	return awsdynamodb.NewFromConfig(aws.Config{
		Region:      "eu-central-1",
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
		HTTPClient:  &http.Client{Transport: transport},
	}, func(options *awsdynamodb.Options) { options.BaseEndpoint = aws.String("http://sandbox.local") })
}

// settler returns a settler of a pod of its own; wrap, which may be nil, stands
// between it and the services.
func (w *world) settler(wrap func(service string, transport http.RoundTripper) http.RoundTripper) *settlement.Settler {
	w.t.Helper()
	return w.process(newPod(0), wrap)
}

// pod is what the handlings of one process share: a clock, its share of the calls to
// Chargebee, and whether that answers.
type pod struct {
	now     func() time.Time
	pacer   *budget.Pacer
	breaker *settlement.Breaker
}

// newPod returns a pod whose clock is wrong by so much.
func newPod(skew time.Duration) *pod {
	now := func() time.Time { return time.Now().Add(skew) }
	return &pod{
		now:     now,
		pacer:   budget.NewPacer(now, budget.Limits{RequestsPerMinute: 3500, MaxConcurrent: 50}),
		breaker: settlement.NewBreaker(now),
	}
}

// process returns a settler on a pod.
func (w *world) process(on *pod, wrap func(service string, transport http.RoundTripper) http.RoundTripper) *settlement.Settler {
	w.t.Helper()
	if wrap == nil {
		wrap = func(_ string, transport http.RoundTripper) http.RoundTripper { return transport }
	}
	client, err := chargebeeapi.New(chargebeeapi.Config{
		BaseURL:   "http://chargebee.local",
		APIKey:    "key",
		Now:       on.now,
		Transport: wrap("chargebee", sandbox.Transport{Handler: w.chargebee}),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	store := &dynamostore.Store{
		Client:      newDynamoDB(wrap("dynamodb", sandbox.Transport{Handler: w.tables})),
		EventsTable: "events",
		LedgerTable: "ledger",
	}
	return &settlement.Settler{
		Ledger: store, Claims: store, Events: store, Charger: client, Invoices: client,
		Pacer:    on.pacer,
		Breaker:  on.breaker,
		Observer: w.notes,
		Now:      on.now,
		Settings: w.settings,
	}
}

// observer remembers what it was told.
type observer struct {
	mu         sync.Mutex
	reports    []settlement.Report
	mismatched []billing.ChangedEvent
}

func (o *observer) Handled(report settlement.Report) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reports = append(o.reports, report)
}

func (o *observer) Mismatched(_ string, event billing.ChangedEvent) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mismatched = append(o.mismatched, event)
}

// write puts an event into the table: code, amount, and further attributes as
// name=value; a value that is a number becomes one.
func (w *world) write(subscription, code, amount string, more ...string) string {
	w.t.Helper()
	w.written++
	item := map[string]types.AttributeValue{
		"subscription_id": text(subscription),
		"event_id":        text(fmt.Sprintf("event_%05d", w.written)),
		"unbilled":        text(subscription),
		"occurred_at":     number(strconv.FormatInt(time.Now().Unix()-3600, 10)),
		"charge_code":     text(code),
		"amount":          number(amount),
		"currency_code":   text("EUR"),
	}
	for _, attribute := range more {
		name, value, _ := strings.Cut(attribute, "=")
		switch _, err := strconv.ParseFloat(value, 64); {
		case value == "":
			delete(item, name)
		case err == nil && name != "charge_code":
			item[name] = number(value)
		default:
			item[name] = text(value)
		}
	}
	if _, err := w.sdk.PutItem(w.t.Context(), &awsdynamodb.PutItemInput{TableName: aws.String("events"), Item: item}); err != nil {
		w.t.Fatal(err)
	}
	return item["event_id"].(*types.AttributeValueMemberS).Value
}

func text(value string) types.AttributeValue   { return &types.AttributeValueMemberS{Value: value} }
func number(value string) types.AttributeValue { return &types.AttributeValueMemberN{Value: value} }

// renew makes a pending invoice for subscriptions, and returns the webhook's body.
func (w *world) renew(subscriptions ...string) (invoiceID string, body []byte) {
	w.t.Helper()
	for _, subscription := range subscriptions {
		w.chargebee.AddSubscription(chargebee.Subscription{
			ID: subscription, CustomerID: "customer", CurrencyCode: "EUR",
			Plan: chargebee.Plan{ItemPriceID: "team", Description: "Team plan", UnitAmount: 4900},
		})
	}
	invoice, event, err := w.chargebee.Renew(chargebee.Renewal{SubscriptionIDs: subscriptions})
	if err != nil {
		w.t.Fatal(err)
	}
	return invoice.ID, w.chargebee.Payload(event.ID)
}

// handle handles the message once.
func (w *world) handle(settler *settlement.Settler, body []byte) queue.Outcome {
	return settler.Handle(w.t.Context(), &queue.Delivery{Message: queue.Message{ID: "message", Body: body, SentAt: time.Now()}})
}

// deliver handles the message as a queue would, until it is done or rejected.
func (w *world) deliver(settler *settlement.Settler, body []byte) queue.Outcome {
	w.t.Helper()
	sent := time.Now()
	for range 100 {
		outcome := settler.Handle(w.t.Context(), &queue.Delivery{Message: queue.Message{ID: "message", Body: body, SentAt: sent}})
		if outcome.Verdict != queue.Retry {
			return outcome
		}
		time.Sleep(outcome.After)
	}
	w.t.Fatalf("the message came back 100 times, the last time because of %q", w.last().Why)
	return queue.Outcome{}
}

func (w *world) last() settlement.Report {
	w.notes.mu.Lock()
	defer w.notes.mu.Unlock()
	return w.notes.reports[len(w.notes.reports)-1]
}

func (w *world) head(invoiceID string) billing.Head {
	w.t.Helper()
	head, _, err := w.store.Head(w.t.Context(), invoiceID)
	if err != nil {
		w.t.Fatal(err)
	}
	if size := len(fmt.Sprintf("%+v", head)); size > 4096 {
		w.t.Errorf("the head has %d bytes", size)
	}
	return head
}

// events are all events as they stand in the table, by id.
func (w *world) events() map[string]books.Event {
	w.t.Helper()
	all := map[string]books.Event{}
	pages := awsdynamodb.NewScanPaginator(w.sdk, &awsdynamodb.ScanInput{TableName: aws.String("events")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		for _, item := range page.Items {
			event := books.Event{
				SubscriptionID: value(item, "subscription_id"),
				EventID:        value(item, "event_id"),
				ChargeCode:     value(item, "charge_code"),
				Amount:         value(item, "amount"),
				Status:         value(item, "status"),
				InvoiceID:      value(item, "invoice_id"),
				FinalID:        value(item, "final_invoice_id"),
			}
			event.OccurredAt, _ = strconv.ParseInt(value(item, "occurred_at"), 10, 64)
			if unbilled := value(item, "unbilled"); (unbilled != "") != (event.Status == "" || event.Status == billing.EventUnbilled) {
				w.t.Errorf("event %s is %q and shows in the index as %q", event.EventID, event.Status, unbilled)
			}
			all[event.EventID] = event
		}
	}
	return all
}

func value(item map[string]types.AttributeValue, name string) string {
	switch value := item[name].(type) {
	case *types.AttributeValueMemberS:
		return value.Value
	case *types.AttributeValueMemberN:
		return value.Value
	default:
		return ""
	}
}

// invoices are all invoices at Chargebee.
func (w *world) invoices() []books.Invoice {
	var all []books.Invoice
	for _, invoice := range w.chargebee.Invoices() {
		entry := books.Invoice{
			DraftID: invoice.DraftID, ID: invoice.ID, Date: invoice.Date,
			Closed: invoice.Status != chargebee.StatusPending,
		}
		if entry.DraftID == "" {
			entry.DraftID = invoice.ID
		}
		for _, line := range invoice.LineItems {
			if line.EntityType == chargebee.EntityAdhoc || line.EntityType == chargebee.EntityChargeItemPrice {
				entry.Charges = append(entry.Charges, books.Charge{SubscriptionID: line.SubscriptionID, ItemPriceID: line.EntityID, Amount: line.Amount})
			}
			if !slices.Contains(entry.SubscriptionIDs, line.SubscriptionID) {
				entry.SubscriptionIDs = append(entry.SubscriptionIDs, line.SubscriptionID)
			}
		}
		all = append(all, entry)
	}
	return all
}

// wantEqualBooks compares owed, billed and ledger.
func (w *world) wantEqualBooks() {
	w.t.Helper()
	account := books.Compare(slices.Collect(mapValues(w.events())), w.invoices(), w.itemPrices())
	for _, difference := range account.Differences {
		w.t.Error(difference)
	}
	for _, event := range w.notes.mismatched {
		w.t.Errorf("alarmed about %+v", event)
	}
}

// itemPrices are the item prices of the settings, by charge code.
func (w *world) itemPrices() map[string]string {
	prices := map[string]string{}
	for code, product := range w.settings.Catalog {
		prices[code] = product.ItemPriceID
	}
	return prices
}

func mapValues[K comparable, V any](m map[K]V) func(func(V) bool) {
	return func(yield func(V) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

// calls lists the operations that arrived at Chargebee.
func (w *world) calls() string {
	var operations []string
	for _, call := range w.chargebee.Calls() {
		operations = append(operations, call.Operation)
	}
	return strings.Join(operations, " ")
}

// errCrashed is what a crashed process gets from every call: nothing.
var errCrashed = errors.New("the process is gone")

// crash ends a process at one of its calls: before the call is sent, or after it
// had its effect and before its answer arrives. Later calls reach nothing.
type crash struct {
	at    int  // which call, counted from 1
	after bool // the call has its effect

	mu    sync.Mutex
	calls int
}

func (c *crash) wrap(_ string, transport http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		c.mu.Lock()
		c.calls++
		call := c.calls
		c.mu.Unlock()
		switch {
		case call < c.at:
			return transport.RoundTrip(request)
		case call == c.at && c.after:
			if response, err := transport.RoundTrip(request); err == nil {
				response.Body.Close()
			}
			return nil, errCrashed
		default:
			return nil, errCrashed
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// handleAndCrash handles the message in a process that ends at one of its calls,
// and returns whether it got so far.
func (w *world) handleAndCrash(c *crash, body []byte) bool {
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	w.settler(c.wrap).Handle(ctx, &queue.Delivery{Message: queue.Message{ID: "message", Body: body, SentAt: time.Now()}})
	return c.calls >= c.at
}

// bodyOf reads a request's body and puts it back.
func bodyOf(request *http.Request) string {
	body, _ := io.ReadAll(request.Body)
	request.Body = io.NopCloser(bytes.NewReader(body))
	return string(body)
}
