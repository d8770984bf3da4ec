package settlement_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/chargebeeapi"
	"github.com/billable-events/billable/pkg/dynamostore"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/ratelimit/ratelimittest"
	"github.com/billable-events/billable/pkg/retry"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
	"github.com/billable-events/billable/pkg/settlement"
)

// settings are the defaults of the product.
var settings = settlement.Settings{
	Lease:              time.Minute,
	CallTimeout:        30 * time.Second,
	MaxEffectDelay:     5 * time.Minute,
	IdempotencyWindow:  30 * time.Minute,
	MaxSkew:            30 * time.Second,
	MaxAttempts:        10,
	Close:              true,
	CloseWithoutEvents: true,
}

// fixture is a site, its tables, and everything that a settler needs of them, in
// virtual time: the real SDKs call the fakes in process.
type fixture struct {
	t        *testing.T
	settings settlement.Settings

	chargebee *chargebee.Service
	tables    *dynamodb.Service
	sdk       *awsdynamodb.Client
	store     *dynamostore.Store

	written int // events
	notes   *observer
	gateway *gateway
	faults  *siteFaults
}

// newFixture must be called inside a bubble. faults may be nil.
func newFixture(t *testing.T, faults sandbox.Faults) *fixture {
	t.Helper()
	return newFixtureOf(t, chargebee.Config{Faults: faults, Latency: 50 * time.Millisecond}, dynamodb.Config{})
}

func newFixtureOf(t *testing.T, site chargebee.Config, tables dynamodb.Config) *fixture {
	t.Helper()
	faults := &siteFaults{own: site.Faults}
	site.KeepDate, site.Faults = true, faults
	f := &fixture{
		t:         t,
		settings:  settings,
		chargebee: chargebee.New(site),
		tables:    dynamodb.New(tables),
		notes:     &observer{},
		gateway:   &gateway{},
		faults:    faults,
	}
	f.sdk = newDynamoDB(sandbox.Transport{Handler: f.tables})
	f.store = &dynamostore.Store{Client: f.sdk, EventsTable: "events", LedgerTable: "ledger"}
	if _, err := (&dynamostore.Tables{Client: f.sdk, EventsTable: "events", LedgerTable: "ledger"}).Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

func newDynamoDB(transport http.RoundTripper) *awsdynamodb.Client {
	return awsdynamodb.NewFromConfig(aws.Config{
		Region:      "eu-central-1",
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
		HTTPClient:  &http.Client{Transport: transport},
	}, func(options *awsdynamodb.Options) { options.BaseEndpoint = aws.String("http://sandbox.local") })
}

// settler returns a settler of a pod of its own; wrap, which may be nil, is
// between it and the services.
func (f *fixture) settler(wrap func(service string, transport http.RoundTripper) http.RoundTripper) *settlement.Settler {
	f.t.Helper()
	return f.process(newPod(0), wrap)
}

// pod is shared by the sessions of one process: a clock, its share of the calls to
// Chargebee, and whether that answers.
type pod struct {
	now     func() time.Time
	limiter *limiter
	breaker *settlement.Breaker
}

// newPod returns a pod whose clock is wrong by so much.
func newPod(skew time.Duration) *pod {
	now := func() time.Time { return time.Now().Add(skew) }
	return &pod{
		now:     now,
		limiter: newLimiter(now),
		breaker: settlement.NewBreaker(now),
	}
}

// process returns a settler on a pod.
func (f *fixture) process(on *pod, wrap func(service string, transport http.RoundTripper) http.RoundTripper) *settlement.Settler {
	f.t.Helper()
	if wrap == nil {
		wrap = func(_ string, transport http.RoundTripper) http.RoundTripper { return transport }
	}
	client, err := chargebeeapi.New(chargebeeapi.Config{
		BaseURL:   "http://chargebee.local",
		APIKey:    "key",
		Now:       on.now,
		Transport: wrap("chargebee", f.gateway.wrap(sandbox.Transport{Handler: f.chargebee})),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	store := &dynamostore.Store{
		Client:      newDynamoDB(wrap("dynamodb", sandbox.Transport{Handler: f.tables})),
		EventsTable: "events",
		LedgerTable: "ledger",
	}
	return &settlement.Settler{
		Ledger: store, Claims: store, Events: store, Charger: client, Invoices: client,
		RateLimiter: on.limiter,
		Breaker:     on.breaker,
		Observer:    f.notes,
		Now:         on.now,
		Settings:    f.settings,
	}
}

// observer records its calls.
type observer struct {
	mu         sync.Mutex
	reports    []settlement.Report
	mismatched []billing.ChangedEvent
}

func (o *observer) Handled(_ context.Context, report settlement.Report) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reports = append(o.reports, report)
}

func (o *observer) Mismatched(_ string, _ billing.Event, event billing.ChangedEvent) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mismatched = append(o.mismatched, event)
}

// renew makes a pending invoice for subscriptions, and returns the webhook's body.
func (f *fixture) renew(subscriptions ...string) (invoiceID string, body []byte) {
	f.t.Helper()
	return f.renewWith(chargebee.Plan{ItemPriceID: "team", Description: "Team plan", UnitAmount: 4900}, subscriptions...)
}

// renewWithoutPlan makes a pending invoice that has no line.
func (f *fixture) renewWithoutPlan(subscription string) (invoiceID string, body []byte) {
	f.t.Helper()
	return f.renewWith(chargebee.Plan{}, subscription)
}

func (f *fixture) renewWith(plan chargebee.Plan, subscriptions ...string) (invoiceID string, body []byte) {
	f.t.Helper()
	for _, subscription := range subscriptions {
		f.chargebee.AddSubscription(chargebee.Subscription{ID: subscription, CustomerID: "customer", CurrencyCode: "EUR", Plan: plan})
	}
	invoice, event, err := f.chargebee.Renew(chargebee.Renewal{SubscriptionIDs: subscriptions})
	if err != nil {
		f.t.Fatal(err)
	}
	return invoice.ID, f.chargebee.Payload(event.ID)
}

// three writes three events, of one code each, and renews.
func (f *fixture) three() (invoiceID string, body []byte) {
	f.write("sub", "calls", "10")
	f.write("sub", "seats", "20")
	f.write("sub", "storage", "40")
	return f.renew("sub")
}

func (f *fixture) last() settlement.Report {
	f.notes.mu.Lock()
	defer f.notes.mu.Unlock()
	return f.notes.reports[len(f.notes.reports)-1]
}

func (f *fixture) head(invoiceID string) billing.Record {
	f.t.Helper()
	record, _, err := f.store.Record(f.t.Context(), invoiceID)
	if err != nil {
		f.t.Fatal(err)
	}
	return record
}

// calls lists the operations that arrived at Chargebee.
func (f *fixture) calls() string {
	var operations []string
	for _, call := range f.chargebee.Calls() {
		operations = append(operations, call.Operation)
	}
	return strings.Join(operations, " ")
}

func (f *fixture) wantCalls(want string) {
	f.t.Helper()
	if got := f.calls(); got != want {
		f.t.Errorf("called %q, want %q", got, want)
	}
}

// limiter is a settlement.RateLimiter without a limit. It grants nothing during a pause.
type limiter struct {
	now func() time.Time

	mu    sync.Mutex
	until time.Time // the end of the last pause
}

func newLimiter(now func() time.Time) *limiter { return &limiter{now: now} }

func (l *limiter) Acquire(ctx context.Context) (*ratelimit.Permit, error) {
	if err := retry.Wait(ctx, l.paused(), nil); err != nil {
		return nil, err
	}
	return ratelimittest.Permit(l.now), nil
}

func (l *limiter) Pause(_ *ratelimit.Permit, retryAfter time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = l.now().Add(max(retryAfter, 10*time.Second))
}

// paused returns the time until the end of the last pause.
func (l *limiter) paused() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(l.until.Sub(l.now()), 0)
}
