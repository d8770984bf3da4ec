package dynamostore_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/dynamostore"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

type fixture struct {
	t     *testing.T
	sdk   *awsdynamodb.Client
	store *dynamostore.Store
	fault func(operation string) sandbox.Fault
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	return newFixtureOf(t, dynamodb.Config{})
}

func newFixtureOf(t *testing.T, config dynamodb.Config) *fixture {
	t.Helper()
	f := &fixture{t: t}
	config.Faults = sandbox.FaultFunc(func(operation string) sandbox.Fault {
		if f.fault == nil {
			return sandbox.Fault{}
		}
		return f.fault(operation)
	})
	service := dynamodb.New(config)
	f.sdk = awsdynamodb.NewFromConfig(aws.Config{
		Region:      "eu-central-1",
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
		HTTPClient:  &http.Client{Transport: sandbox.Transport{Handler: service}},
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
	}, func(options *awsdynamodb.Options) { options.BaseEndpoint = aws.String("http://sandbox.local") })
	f.store = &dynamostore.Store{Client: f.sdk, EventsTable: "events", LedgerTable: "ledger"}
	if _, err := f.tables().Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) tables() *dynamostore.Tables {
	return &dynamostore.Tables{Client: f.sdk, EventsTable: "events", LedgerTable: "ledger"}
}

func (f *fixture) put(item map[string]types.AttributeValue) {
	f.t.Helper()
	if _, err := f.sdk.PutItem(f.t.Context(), &awsdynamodb.PutItemInput{TableName: aws.String("events"), Item: item}); err != nil {
		f.t.Fatal(err)
	}
}

func text(value string) types.AttributeValue   { return &types.AttributeValueMemberS{Value: value} }
func number(value string) types.AttributeValue { return &types.AttributeValueMemberN{Value: value} }

// event is an item with attributes replaced; a nil value removes one.
func event(id string, more map[string]types.AttributeValue) map[string]types.AttributeValue {
	item := map[string]types.AttributeValue{
		"subscription_id": text("sub"), "event_id": text(id), "unbilled": text("sub"), "occurred_at": number("100"),
		"charge_code": text("calls"), "amount": number("1.50"), "currency_code": text("EUR"),
	}
	for name, value := range more {
		if value == nil {
			delete(item, name)
		} else {
			item[name] = value
		}
	}
	return item
}

func (f *fixture) unbilled() []billing.Event {
	f.t.Helper()
	var events []billing.Event
	for event, err := range f.store.Unbilled(f.t.Context(), "sub", 1000) {
		if err != nil {
			f.t.Fatal(err)
		}
		events = append(events, event)
	}
	return events
}

func (f *fixture) commit(step billing.Step) error {
	f.t.Helper()
	return f.store.Commit(f.t.Context(), step)
}

func (f *fixture) must(step billing.Step) {
	f.t.Helper()
	if err := f.commit(step); err != nil {
		f.t.Fatal(err)
	}
}

// full is a head with every field set.
func full() billing.Record {
	return billing.Record{
		InvoiceID: "draft", State: billing.Charging, Resume: billing.Closing, Owner: "o", Acquisitions: 3, Version: "w1",
		LeaseUntil: 100, Attempts: 2, Epoch: "e", Pages: 4, Cursor: 5, SendingSince: 101, SentWith: "key", InDoubt: true, MissingSince: 102, Refused: true, CloseRefusals: 6,
		Dispositions: "srh", ProcessedPages: 1, Outcome: billing.Closed, Reason: billing.LineRemoved, Detail: "d", FinalInvoiceID: "final",
		UpdatedAt: 103, ExpiresAt: 104, SchemaVersion: 1,
	}
}

func TestStore_KeepsEveryField(t *testing.T) {
	t.Parallel()
	record := full()
	for i, value := 0, reflect.ValueOf(record); i < value.NumField(); i++ {
		if value.Field(i).IsZero() {
			t.Fatalf("the test sets no %s", value.Type().Field(i).Name)
		}
	}
	f := newFixture(t)
	f.must(billing.Step{Record: record})
	got, ok, err := f.store.Record(t.Context(), "draft")
	if err != nil || !ok || got != record {
		t.Errorf("got %+v, %t, %v", got, ok, err)
	}
	if _, ok, err := f.store.Record(t.Context(), "other"); ok || err != nil {
		t.Errorf("another: %t, %v", ok, err)
	}
}

// An item of the ledger that is not a record is not found as one.
func TestStore_IgnoresOtherItems(t *testing.T) {
	t.Parallel()
	store := newFixture(t).store
	if _, err := store.RateLimit().Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	state := ratelimit.OperatorPause{Reason: "test", Since: 1}
	if _, _, err := ratelimit.PauseByOperator(t.Context(), store.RateLimit(), state); err != nil {
		t.Fatal(err)
	}
	if record, ok, err := store.Record(t.Context(), "#ratelimit"); ok || err != nil {
		t.Errorf("got %+v, %t, %v", record, ok, err)
	}
}

// Only the process of the last write can write next.
func TestStore_FencesWrites(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	record := func(write string) billing.Record { return billing.Record{InvoiceID: "draft", Version: write} }
	manifest := &billing.Manifest{InvoiceID: "draft", Epoch: "e"}
	f.must(billing.Step{Record: record("w1")})
	for name, test := range map[string]struct {
		step billing.Step
		want error
	}{
		"a second first one":              {billing.Step{Record: record("x")}, billing.ErrFenced},
		"a second first one, with more":   {billing.Step{Record: record("x"), Manifest: manifest}, billing.ErrFenced},
		"conditioned on another":          {billing.Step{PreviousVersion: "w0", Record: record("x")}, billing.ErrFenced},
		"conditioned on another, more":    {billing.Step{PreviousVersion: "w0", Record: record("x"), Manifest: manifest}, billing.ErrFenced},
		"the same again":                  {billing.Step{Record: record("w1")}, nil},
		"the same again, with more":       {billing.Step{Record: record("w1"), Manifest: manifest}, nil},
		"of an invoice that is not there": {billing.Step{PreviousVersion: "w1", Record: billing.Record{InvoiceID: "other", Version: "x"}}, billing.ErrFenced},
	} {
		if err := f.commit(test.step); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := f.store.Manifest(t.Context(), "draft", "e"); !errors.Is(err, billing.ErrNotFound) {
		t.Errorf("a part of a refused step was applied: %v", err)
	}
	f.must(billing.Step{PreviousVersion: "w1", Record: record("w2")})
	if err := f.commit(billing.Step{PreviousVersion: "w1", Record: record("w3")}); !errors.Is(err, billing.ErrFenced) {
		t.Errorf("after a takeover: %v", err)
	}
}

func TestStore_KeepsEpoch(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	manifest := billing.Manifest{
		InvoiceID: "draft", Epoch: "e", Date: 1, CurrencyCode: "EUR", CustomerID: "c", SubscriptionID: "s",
		Subscriptions: []string{"s"}, Originals: []billing.InvoiceLine{{ID: "li", SubscriptionID: "s", EntityType: "adhoc", EntityID: "e", Amount: 3, From: 1, To: 2}}, ClaimedAt: 2,
	}
	f.put(event("a", map[string]types.AttributeValue{"description": text(strings.Repeat("ü", 400)), "quantity": number("3")}))
	claimed := f.unbilled()
	plan := billing.Plan{}
	for i := range 750 {
		plan.Lines = append(plan.Lines, billing.Line{
			SubscriptionID: strings.Repeat("s", 1000), ChargeCode: fmt.Sprint(i), Amount: 9223372036854775807, Quantity: "1", Events: 2,
			From: 3, To: 4, Description: "d", Marker: "m", IdempotencyKey: "k",
		})
	}
	record := billing.Record{InvoiceID: "draft", Epoch: "e", Version: "w1"}
	f.must(billing.Step{Record: record, Manifest: &manifest})
	record.Version = "w2"
	f.must(billing.Step{PreviousVersion: "w1", Record: record, Claim: &billing.Page{Events: claimed}})
	record.Version = "w3"
	f.must(billing.Step{PreviousVersion: "w2", Record: record, Plan: &plan})

	gotManifest, err := f.store.Manifest(t.Context(), "draft", "e")
	if diff := cmp.Diff(manifest, gotManifest); err != nil || diff != "" {
		t.Errorf("%v, manifest (-want +got):\n%s", err, diff)
	}
	page, err := f.store.Page(t.Context(), "draft", "e", 0)
	want := claimed[0]
	want.Description, want.Size = billing.Cut(want.Description, billing.MaxDescription), 0
	if err != nil || len(page.Events) != 1 || page.Events[0] != want {
		t.Errorf("got %+v, %v", page, err)
	}
	gotPlan, err := f.store.Plan(t.Context(), "draft", "e")
	if diff := cmp.Diff(plan, gotPlan); err != nil || diff != "" {
		t.Errorf("%v, plan (-want +got):\n%s", err, diff)
	}
	if len(plan.Parts()) < 3 {
		t.Error("the plan has too few parts to test them")
	}
}

// TestStore_EpochAsStored compares the stored form of manifest, page and plan exactly: those of invoices
// that are in progress while another version takes over must be read as they were written.
func TestStore_EpochAsStored(t *testing.T) {
	t.Parallel()
	manifest := billing.Manifest{
		InvoiceID: "draft", Epoch: "e", Date: 9, CurrencyCode: "EUR", CustomerID: "c", SubscriptionID: "s",
		Subscriptions: []string{"s"}, ClaimedAt: 8,
		Originals: []billing.InvoiceLine{
			{ID: "l1", SubscriptionID: "s", EntityType: "plan_item_price", EntityID: "p", Description: "Plan", Amount: 7, From: 1, To: 2},
			{ID: "l2"},
		},
	}
	plan := billing.Plan{Lines: []billing.Line{
		{
			SubscriptionID: "s", ChargeCode: "calls", Amount: 5, Quantity: "1.5", Events: 2, From: 3, To: 4,
			Description: "Calls (1.5) [m]", Marker: "m", IdempotencyKey: "k1",
		}, {
			SubscriptionID: "s", ChargeCode: "sms", Amount: 6, Quantity: "7", Events: 1, From: 3, To: 3,
			IdempotencyKey: "k2", ItemPriceID: "sms-EUR",
		}, {
			SubscriptionID: "s", ChargeCode: "storage", Amount: 7, Events: 1, From: 3, To: 3,
			Description: "storage [n]", Marker: "n", IdempotencyKey: "k3",
			Tax: billing.Tax{
				TaxJarProductCode: "31000", HSNCode: "998313", AvalaraSaleType: "retail",
				AvalaraTransactionType: new(int32), AvalaraServiceType: new(int32(600)), AvalaraTaxCode: "P1",
			},
		},
	}}
	f := newFixture(t)
	f.put(event("v", map[string]types.AttributeValue{"description": text("Calls"), "quantity": number("2")}))
	f.put(event("w", map[string]types.AttributeValue{"charge_code": text("")}))
	page := billing.Page{}
	for _, event := range f.unbilled() {
		page.Events = append(page.Events, event.Validated())
	}
	f.must(billing.Step{Record: billing.Record{InvoiceID: "draft", Epoch: "e", Version: "w1"}, Manifest: &manifest, Claim: &page, Plan: &plan})
	const wantManifest = `{"date":9,"currency_code":"EUR","customer_id":"c","subscription_id":"s","subscriptions":["s"],"originals":[` +
		`{"id":"l1","subscription_id":"s","entity_type":"plan_item_price","entity_id":"p","amount":7,"date_from":1,"date_to":2},{"id":"l2"}],` +
		`"claimed_at":8}`
	const wantPage = `[{"subscription_id":"sub","event_id":"v","occurred_at":100,"charge_code":"calls","description":"Calls","amount":"1.5",` +
		`"quantity":"2","currency_code":"EUR"},{"subscription_id":"sub","event_id":"w","occurred_at":100,"fault":"charge_code is missing"}]`
	const wantPlan = `{"parts":1,"lines":[` +
		`{"subscription_id":"s","charge_code":"calls","amount":5,"quantity":"1.5","events":2,"date_from":3,"date_to":4,` +
		`"description":"Calls (1.5) [m]","marker":"m","idempotency_key":"k1"},` +
		`{"subscription_id":"s","charge_code":"sms","amount":6,"quantity":"7","events":1,"date_from":3,"date_to":3,` +
		`"description":"","marker":"","idempotency_key":"k2","item_price_id":"sms-EUR"},` +
		`{"subscription_id":"s","charge_code":"storage","amount":7,"events":1,"date_from":3,"date_to":3,` +
		`"description":"storage [n]","marker":"n","idempotency_key":"k3",` +
		`"taxjar_product_code":"31000","hsn_code":"998313","avalara_sale_type":"retail","avalara_transaction_type":0,` +
		`"avalara_service_type":600,"avalara_tax_code":"P1"}]}`
	for key, want := range map[string]string{"draft#e#m": wantManifest, "draft#e#p0": wantPage, "draft#e#l0": wantPlan} {
		found, err := f.sdk.GetItem(t.Context(), &awsdynamodb.GetItemInput{
			TableName: &f.store.LedgerTable, Key: map[string]types.AttributeValue{"invoice_id": text(key)},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := found.Item["content"].(*types.AttributeValueMemberS); got == nil || got.Value != want {
			t.Errorf("%s: got  %+v\nwant %s", key, got, want)
		}
	}
	got, err := f.store.Plan(t.Context(), "draft", "e")
	if diff := cmp.Diff(plan, got); err != nil || diff != "" {
		t.Errorf("%v, plan (-want +got):\n%s", err, diff)
	}
}

// The event changes between the read and the claim.
func TestClaim_ChangedEvent(t *testing.T) {
	t.Parallel()
	base := map[string]types.AttributeValue{"description": text("text"), "quantity": number("2")}
	for name, test := range map[string]struct {
		read   map[string]types.AttributeValue
		change map[string]types.AttributeValue
		drops  bool
	}{
		"nothing":                     {base, nil, false},
		"an attribute nobody folds":   {base, map[string]types.AttributeValue{"region": text("eu")}, false},
		"the same number, written so": {base, map[string]types.AttributeValue{"amount": number("1.5")}, false},
		"status said":                 {base, map[string]types.AttributeValue{"status": text("unbilled")}, false},
		"empty texts":                 {map[string]types.AttributeValue{"description": text("")}, nil, false},
		"amount":                      {base, map[string]types.AttributeValue{"amount": number("2")}, true},
		"amount removed":              {base, map[string]types.AttributeValue{"amount": nil}, true},
		"description":                 {base, map[string]types.AttributeValue{"description": text("other")}, true},
		"description added":           {nil, map[string]types.AttributeValue{"description": text("new")}, true},
		"quantity added":              {nil, map[string]types.AttributeValue{"quantity": number("1")}, true},
		"charge code":                 {base, map[string]types.AttributeValue{"charge_code": text("other")}, true},
		"currency":                    {base, map[string]types.AttributeValue{"currency_code": text("USD")}, true},
		"occurred later":              {base, map[string]types.AttributeValue{"occurred_at": number("101")}, true},
		"claimed":                     {base, map[string]types.AttributeValue{"status": text("claimed"), "unbilled": nil}, true},
		"billed":                      {base, map[string]types.AttributeValue{"status": text("billed"), "unbilled": nil}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.put(event("a", test.read))
			f.put(event("b", nil))
			read := f.unbilled()
			merged := map[string]types.AttributeValue{}
			for _, attributes := range []map[string]types.AttributeValue{test.read, test.change} {
				maps.Copy(merged, attributes)
			}
			f.put(event("a", merged))
			record := billing.Record{InvoiceID: "draft", Epoch: "e", Version: "w1"}
			err := f.commit(billing.Step{Record: record, Claim: &billing.Page{Events: read}})
			changed, ok := errors.AsType[*billing.EventsChanged](err)
			if ok != test.drops || !ok && err != nil {
				t.Fatalf("got %v", err)
			}
			if ok && (len(changed.Events) != 1 || changed.Events[0].EventID != "a") {
				t.Errorf("got %+v", changed.Events)
			}
			left := len(f.unbilled())
			if !test.drops && left != 0 || test.drops && left == 0 {
				t.Errorf("%d events show as unbilled", left)
			}
		})
	}
}

// They are not claimed, only checked to be unbilled: a claim adds attributes, for which an event may be too large.
func TestClaim_InvalidEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	faults := map[string]map[string]types.AttributeValue{
		"amount is not a number":          {"amount": text("1")},
		"quantity is not a number":        {"quantity": &types.AttributeValueMemberBOOL{Value: true}},
		"charge_code is not a string":     {"charge_code": number("1")},
		"description is not a string":     {"description": &types.AttributeValueMemberNULL{Value: true}},
		"currency_code is not a string":   {"currency_code": &types.AttributeValueMemberL{}},
		"occurred_at is not unix seconds": {"occurred_at": number("100.5")},
	}
	for fault, attributes := range faults {
		f.put(event(fault, attributes))
	}
	read := f.unbilled()
	if len(read) != len(faults) {
		t.Fatalf("got %d events", len(read))
	}
	for _, event := range read {
		if !strings.HasPrefix(event.Fault, event.EventID) {
			t.Errorf("%s: %q", event.EventID, event.Fault)
		}
	}
	before := fmt.Sprint(f.unbilled())
	record := billing.Record{InvoiceID: "draft", Epoch: "e", Version: "w1"}
	f.must(billing.Step{Record: record, Claim: &billing.Page{Events: read}})
	if after := fmt.Sprint(f.unbilled()); after != before {
		t.Errorf("the events changed from %s to %s", before, after)
	}
	f.put(event("amount is not a number", map[string]types.AttributeValue{"status": text(billing.EventClaimed), "unbilled": nil}))
	record.Epoch, record.Version = "e2", "w2"
	err := f.commit(billing.Step{PreviousVersion: "w1", Record: record, Claim: &billing.Page{Events: read}})
	if changed, ok := errors.AsType[*billing.EventsChanged](err); !ok || len(changed.Events) != 1 || changed.Events[0].EventID != "amount is not a number" {
		t.Errorf("got %v", err)
	}
}

// Only claims of this invoice are changed.
func TestStore_BillAndRelease(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, id := range []string{"bill", "release", "foreign", "free"} {
		f.put(event(id, nil))
	}
	events := map[string]billing.Event{}
	for _, event := range f.unbilled() {
		events[event.EventID] = event
	}
	record := billing.Record{InvoiceID: "draft", State: billing.Claiming, Epoch: "e", Version: "w1", UpdatedAt: 500}
	f.must(billing.Step{Record: record, Claim: &billing.Page{Events: []billing.Event{events["bill"], events["release"]}}})
	f.must(billing.Step{Record: billing.Record{InvoiceID: "other", Epoch: "e", Version: "o1"}, Claim: &billing.Page{Events: []billing.Event{events["foreign"]}}})

	key := func(id string) billing.EventKey { return billing.EventKey{SubscriptionID: "sub", EventID: id} }
	record.Version, record.FinalInvoiceID = "w2", "final"
	step := billing.Step{
		PreviousVersion: "w1", Record: record,
		Bill:    []billing.Event{events["bill"], events["foreign"], {EventKey: key("gone"), Amount: "1"}},
		Release: []billing.EventKey{key("release"), key("free")},
	}
	changed, ok := errors.AsType[*billing.EventsChanged](f.commit(step))
	if !ok {
		t.Fatal("events of others were taken")
	}
	found := map[string]billing.ChangedEvent{}
	for _, event := range changed.Events {
		found[event.EventID] = event
	}
	if len(found) != 3 || found["foreign"].InvoiceID != "other" || found["foreign"].Status != billing.EventClaimed ||
		found["gone"].Status != "" || found["free"].Status != billing.EventUnbilled {
		t.Errorf("got %+v", changed.Events)
	}
	step.Bill, step.Release, step.Final = step.Bill[:1], step.Release[:1], true
	f.must(step)
	output, err := f.sdk.GetItem(t.Context(), &awsdynamodb.GetItemInput{TableName: aws.String("events"), Key: map[string]types.AttributeValue{"subscription_id": text("sub"), "event_id": text("bill")}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]types.AttributeValue{
		"status": text("billed"), "invoice_id": text("draft"), "final_invoice_id": text("final"), "billed_at": number("500"),
	} {
		if diff := cmp.Diff(want, output.Item[name], cmpopts.IgnoreUnexported(types.AttributeValueMemberS{}, types.AttributeValueMemberN{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if found, ok, err := f.store.FindRecord(t.Context(), "final"); err != nil || !ok || found.InvoiceID != "draft" {
		t.Errorf("by the final id: %v, %t, %v", found, ok, err)
	}
	left := f.unbilled()
	if !slices.ContainsFunc(left, func(event billing.Event) bool { return event.EventID == "release" }) || len(left) != 2 {
		t.Errorf("unbilled are %v", left)
	}
}

// A step that failed with a temporary error can be repeated, whether or not it was applied.
func TestCommit_Busy(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]sandbox.Kind{
		"throttle": sandbox.Throttle, "refusal": sandbox.Refuse, "lost reply": sandbox.LoseReply, "half an answer": sandbox.CutBody, "conflict": sandbox.Partial,
	} {
		for _, whole := range []bool{false, true} {
			if kind == sandbox.Partial && !whole {
				continue // a single write meets no conflict of transactions
			}
			t.Run(fmt.Sprintf("%s, transaction %t", name, whole), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				step := billing.Step{Record: billing.Record{InvoiceID: "draft", Epoch: "e", Version: "w1"}}
				if whole {
					step.Manifest = &billing.Manifest{InvoiceID: "draft", Epoch: "e"}
				}
				f.fault = func(string) sandbox.Fault { return sandbox.Fault{Kind: kind} }
				if err := f.commit(step); !errors.Is(err, billing.ErrBusy) {
					t.Fatalf("got %v", err)
				}
				f.fault = nil
				f.must(step)
				f.must(step)
			})
		}
	}
}

// A write that had its effect is recognised after any 5xx, by the SDK's own retries
// or by the next Commit.
func TestCommit_EffectThenServerError(t *testing.T) {
	t.Parallel()
	const attempts = 3 // of the SDK, in each Commit
	for code, choice := range map[string]uint64{"InternalServerError": 0, "InternalFailure": 1, "503 without a code": 2} {
		for _, transaction := range []bool{false, true} {
			for _, failures := range []int{1, attempts} {
				t.Run(fmt.Sprintf("%s, transaction %t, failures %d", code, transaction, failures), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						f := newFixture(t)
						f.store.Client = awsdynamodb.New(f.sdk.Options(), func(options *awsdynamodb.Options) {
							options.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = attempts })
						})
						first := billing.Step{Record: billing.Record{InvoiceID: "draft", Epoch: "e", Version: "w1"}}
						if transaction {
							first.Manifest = &billing.Manifest{InvoiceID: "draft", Epoch: "e"}
						}
						calls := 0
						f.fault = func(string) sandbox.Fault {
							if calls++; calls <= failures {
								return sandbox.Fault{Kind: sandbox.EffectThenError, Choice: choice}
							}
							return sandbox.Fault{}
						}
						err := f.commit(first)
						if failures < attempts && err != nil || failures == attempts && !errors.Is(err, billing.ErrBusy) {
							t.Fatalf("first Commit: %v after %d calls", err, calls)
						}
						f.must(first)
						if record, _, err := f.store.Record(t.Context(), "draft"); err != nil || record.Version != "w1" {
							t.Errorf("the head is %+v, %v", record, err)
						}

						other := first
						other.Record.Version = "w2"
						if err := f.commit(other); !errors.Is(err, billing.ErrFenced) {
							t.Errorf("another first write: %v", err)
						}
					})
				})
			}
		}
	}
}

// Every 5xx is busy, with and without an effect. A refusal is not.
func TestCommit_ErrorClasses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		body   string
		busy   bool
	}{
		"InternalServerError":    {500, `{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError"}`, true},
		"InternalFailure":        {500, `{"__type":"com.amazon.coral.service#InternalFailure"}`, true},
		"ServiceUnavailable":     {503, `{"__type":"com.amazon.coral.service#ServiceUnavailable"}`, true},
		"503 without a code":     {503, `{}`, true},
		"503 without a body":     {503, ``, true},
		"504 of a load balancer": {504, `<html>`, true},
		"a client code with 500": {500, `{"__type":"com.amazon.coral.validate#ValidationException"}`, true},
		"ThrottlingException":    {400, `{"__type":"com.amazon.coral.service#ThrottlingException"}`, true},
		"ValidationException":    {400, `{"__type":"com.amazon.coral.validate#ValidationException"}`, false},
		"AccessDeniedException":  {400, `{"__type":"com.amazon.coral.service#AccessDeniedException"}`, false},
		"ResourceNotFound":       {400, `{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"}`, false},
		"400 without a code":     {400, `{}`, false},
		"413 without a code":     {413, `{}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			options := f.sdk.Options()
			options.HTTPClient = &http.Client{Transport: sandbox.Transport{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/x-amz-json-1.0")
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			})}}
			f.store.Client = awsdynamodb.New(options)
			record := billing.Record{InvoiceID: "draft", Epoch: "e", Version: "w1"}
			for _, step := range []billing.Step{{Record: record}, {Record: record, Manifest: &billing.Manifest{InvoiceID: "draft", Epoch: "e"}}} {
				if err := f.commit(step); err == nil || errors.Is(err, billing.ErrBusy) != test.busy {
					t.Errorf("%d actions: got %v, want busy: %t", step.Actions(), err, test.busy)
				}
			}
		})
	}
}

// Incomplete and refused reads are retried, a limited number of times.
func TestStore_RetriesReads(t *testing.T) {
	t.Parallel()
	for _, kind := range []sandbox.Kind{sandbox.CutBody, sandbox.LoseReply, sandbox.Refuse, sandbox.Throttle} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			f.put(event("a", nil))
			f.must(billing.Step{Record: billing.Record{InvoiceID: "draft", State: billing.Claiming, Version: "w1"}})
			calls, failing := 0, 3
			f.fault = func(string) sandbox.Fault {
				if calls++; calls <= failing {
					return sandbox.Fault{Kind: kind}
				}
				return sandbox.Fault{}
			}
			if _, ok, err := f.store.Record(t.Context(), "draft"); !ok || err != nil {
				t.Errorf("%d: %t, %v", kind, ok, err)
			}
			calls = 0
			if events := f.unbilled(); len(events) != 1 {
				t.Errorf("%d: %v", kind, events)
			}
			calls, failing = 0, 100
			if _, _, err := f.store.Record(t.Context(), "draft"); err == nil || calls != 4 {
				t.Errorf("%d: %d calls, %v", kind, calls, err)
			}
		})
	}
}

func TestTables_Create(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	states, err := f.tables().Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range states {
		if state.Created || len(state.Differences) > 0 {
			t.Errorf("the second time: %+v", state)
		}
	}
	ttl, err := f.sdk.DescribeTimeToLive(t.Context(), &awsdynamodb.DescribeTimeToLiveInput{TableName: aws.String("ledger")})
	if err != nil || ttl.TimeToLiveDescription.TimeToLiveStatus != types.TimeToLiveStatusEnabled || *ttl.TimeToLiveDescription.AttributeName != "expires_at" {
		t.Errorf("got %+v, %v", ttl, err)
	}

	swapped := &dynamostore.Tables{Client: f.sdk, EventsTable: "ledger", LedgerTable: "events"}
	states, err = swapped.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(states[0].Differences); !strings.Contains(got, "the key is invoice_id (HASH)") || !strings.Contains(got, "index unbilled is missing") {
		t.Errorf("got %q", got)
	}
	if len(states[1].Differences) == 0 {
		t.Error("the table of events passes for the ledger")
	}
}

// The records are found among all items of the ledger, page by page.
func TestStore_Records(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	want := map[string]bool{}
	for i := range 30 {
		record := billing.Record{InvoiceID: fmt.Sprintf("draft%d", i), State: billing.Claiming, Version: "w", Epoch: "e", Acquisitions: 1, SchemaVersion: 1}
		want[record.InvoiceID] = true
		f.must(billing.Step{Record: record, Manifest: &billing.Manifest{InvoiceID: record.InvoiceID, Epoch: "e", Originals: []billing.InvoiceLine{{ID: strings.Repeat("x", 100<<10)}}}})
	}
	if _, applied, err := ratelimit.PauseByOperator(t.Context(), f.store.RateLimit(), ratelimit.OperatorPause{Reason: "a test", Since: 1}); err != nil || !applied {
		t.Fatal(applied, err)
	}
	scans := 0
	f.fault = func(operation string) sandbox.Fault {
		if operation == "Scan" {
			scans++
		}
		return sandbox.Fault{}
	}
	found := map[string]bool{}
	for record, err := range f.store.Records(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		found[record.InvoiceID] = true
	}
	if !maps.Equal(found, want) || scans < 2 {
		t.Errorf("got %v in %d pages", found, scans)
	}
}

func TestStore_AllUnbilled(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(event("a", nil))
	f.put(event("b", map[string]types.AttributeValue{"subscription_id": text("other"), "unbilled": text("other")}))
	f.put(event("billed", map[string]types.AttributeValue{"unbilled": nil, "status": text("billed")}))
	found := map[billing.EventKey]bool{}
	for event, err := range f.store.AllUnbilled(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		found[event.EventKey] = true
	}
	if want := map[billing.EventKey]bool{{SubscriptionID: "sub", EventID: "a"}: true, {SubscriptionID: "other", EventID: "b"}: true}; !maps.Equal(found, want) {
		t.Errorf("got %v", found)
	}
}
