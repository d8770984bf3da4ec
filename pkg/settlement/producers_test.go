package settlement_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

// TestSession_ProducerWritesAgain: what a producer does to an event between its claim and the close of the
// invoice neither charges it twice nor goes unnoticed.
func TestSession_ProducerWritesAgain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		write    func(f *fixture, item map[string]types.AttributeValue) error
		statuses string
		reported int
	}{
		"the same put again": {
			write:    func(f *fixture, item map[string]types.AttributeValue) error { return f.put(item) },
			statuses: "billed billed billed",
		},
		"a put with another amount": {
			write: func(f *fixture, item map[string]types.AttributeValue) error {
				item["amount"] = &types.AttributeValueMemberN{Value: "11"}
				return f.put(item)
			},
			statuses: "billed billed unbilled",
			reported: 1,
		},
		"an update of the amount": {
			write: func(f *fixture, item map[string]types.AttributeValue) error {
				_, err := f.sdk.UpdateItem(f.t.Context(), &awsdynamodb.UpdateItemInput{
					TableName:                 aws.String("events"),
					Key:                       map[string]types.AttributeValue{"subscription_id": item["subscription_id"], "event_id": item["event_id"]},
					UpdateExpression:          aws.String("SET amount = :a"),
					ExpressionAttributeValues: map[string]types.AttributeValue{":a": &types.AttributeValueMemberN{Value: "11"}},
				})
				return err
			},
			statuses: "billed billed billed",
			reported: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				f.write("sub", "calls", "10")
				f.write("sub", "seats", "20")
				item := f.event("sub", "storage", "40")
				if err := f.put(item); err != nil {
					t.Fatal(err)
				}
				_, body := f.renew("sub")
				f.meanwhile("close", 1, func() error { return test.write(f, item) })
				f.wantDone(f.settler(nil), body)
				if last := f.last(); last.InvoiceOutcome != billing.Closed {
					t.Errorf("got %+v", last)
				}
				f.wantStatuses(test.statuses)
				if got := len(f.notes.mismatched); got != test.reported {
					t.Errorf("%d mismatches were reported, want %d: %+v", got, test.reported, f.notes.mismatched)
				}
			})
		})
	}
}

// TestSession_RewrittenWhileClaiming: an event that its producer writes again once it is on a page is not
// claimed again on a later page of the same invoice.
func TestSession_RewrittenWhileClaiming(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change   func(item map[string]types.AttributeValue)
		resumed  bool // by another session
		reported int
	}{
		"the same, resumed":       {resumed: true},
		"another amount, resumed": {resumed: true, change: func(item map[string]types.AttributeValue) { item["amount"] = number("7") }, reported: 1},
		"later": {change: func(item map[string]types.AttributeValue) {
			item["occurred_at"] = number(strconv.FormatInt(time.Now().Unix()-1, 10))
		}, reported: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				item := f.event("sub", "calls", "1")
				for range 600 { // more than one page of a query
					if err := f.put(f.event("sub", "calls", "1")); err != nil {
						t.Fatal(err)
					}
				}
				if err := f.put(item); err != nil {
					t.Fatal(err)
				}
				_, body := f.renew("sub")
				if test.change != nil {
					test.change(item)
				}
				settler := f.settler(nil)
				written := false
				settler.Ledger = watched{Ledger: settler.Ledger, after: func(step billing.Step) {
					if step.Claim == nil || written {
						return
					}
					written = true
					if err := f.put(item); err != nil {
						t.Error(err)
					}
					if test.resumed {
						time.Sleep(2 * settings.Lease)
						f.wantDone(f.settler(nil), body)
					}
				}}
				f.handle(settler, body)
				final := f.chargebee.Invoices()[0]
				if lines := f.adHoc(final.ID); len(lines) != 1 || lines[0].Amount != 601 {
					t.Errorf("charged %+v, want 601 once", lines)
				}
				if got := len(f.notes.mismatched); got != test.reported {
					t.Errorf("%d mismatches were reported, want %d: %+v", got, test.reported, f.notes.mismatched)
				}
			})
		})
	}
}

// TestSession_RewrittenAfterBilling: an event that its producer writes again once it was billed is billed on
// its first invoice again, and reported. It is not charged on the next one.
func TestSession_RewrittenAfterBilling(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change    func(item map[string]types.AttributeValue)
		invoices  int // between the first one and the put
		voided    bool
		later     time.Duration // of the put, after the invoice
		reported  int
		nextLines int
	}{
		"the same":                {reported: 1},
		"after another invoice":   {invoices: 1, reported: 1},
		"another amount":          {change: func(item map[string]types.AttributeValue) { item["amount"] = number("11") }, reported: 1},
		"another charge code":     {change: func(item map[string]types.AttributeValue) { item["charge_code"] = text("seats") }, reported: 1},
		"another event id":        {change: func(item map[string]types.AttributeValue) { item["event_id"] = text("other") }, nextLines: 1},
		"on an invoice now void":  {voided: true, nextLines: 1},
		"after the ledger forgot": {later: 100 * 24 * time.Hour, nextLines: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				item := f.event("sub", "calls", "10")
				if err := f.put(item); err != nil {
					t.Fatal(err)
				}
				first, body := f.renew("sub")
				f.wantClosed(f.settler(nil), body)
				for range test.invoices {
					time.Sleep(24 * time.Hour)
					f.write("sub", "calls", "7")
					_, body = f.renew("sub")
					f.wantDone(f.settler(nil), body)
				}
				if test.voided {
					f.let(voided, first)
					release, err := f.releaseBilled(first, "")
					f.wantReleased(release, err, "r")
				}
				time.Sleep(time.Minute + test.later)
				f.tables.Sweep()
				if test.change != nil {
					test.change(item)
				}
				if err := f.put(item); err != nil {
					t.Fatal(err)
				}

				next, body := f.renew("sub")
				f.wantDone(f.settler(nil), body)
				if got := len(f.adHocOfFinal(next)); got != test.nextLines {
					t.Errorf("the next invoice has %d ad-hoc lines, want %d", got, test.nextLines)
				}
				if got := len(f.notes.mismatched); got != test.reported {
					t.Errorf("%d events were reported, want %d: %+v", got, test.reported, f.notes.mismatched)
				}
				event := f.events()[value(item, "event_id")]
				want := first
				if test.nextLines == 1 {
					want = next
				}
				if event.Status != billing.EventBilled || event.InvoiceID != want || event.FinalID != f.finalOf(want).ID {
					t.Errorf("got %+v, want it billed on %s", event, want)
				}
			})
		})
	}
}

// TestSession_ManyRewrittenAfterBilling: all events of a closed invoice are billed on it again, also if they do not
// fit one step.
func TestSession_ManyRewrittenAfterBilling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		var items []map[string]types.AttributeValue
		for range 2*billing.MaxPageEvents + 3 {
			items = append(items, f.event("sub", "calls", "10"))
		}
		putAll := func() {
			for _, item := range items {
				if err := f.put(item); err != nil {
					t.Fatal(err)
				}
			}
		}
		putAll()
		first, body := f.renew("sub")
		f.wantClosed(f.settler(nil), body)
		time.Sleep(time.Minute)
		putAll()

		next, body := f.renew("sub")
		f.wantDone(f.settler(nil), body)
		if got := len(f.adHocOfFinal(next)); got != 0 {
			t.Errorf("the next invoice has %d ad-hoc lines", got)
		}
		if got := len(f.notes.mismatched); got != len(items) {
			t.Errorf("%d events were reported, want %d", got, len(items))
		}
		for id, event := range f.events() {
			if event.Status != billing.EventBilled || event.InvoiceID != first {
				t.Errorf("%s: got %+v, want it billed on %s", id, event, first)
			}
		}
	})
}

// adHocOfFinal are the ad-hoc lines of the invoice that a draft became.
func (f *fixture) adHocOfFinal(draft string) []chargebee.LineItem {
	return f.adHoc(f.finalOf(draft).ID)
}

// TestSession_RewrittenWhileClaimed: an event that another invoice holds is not claimed, and not reported.
func TestSession_RewrittenWhileClaimed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		item := f.event("sub", "calls", "10")
		if err := f.put(item); err != nil {
			t.Fatal(err)
		}
		id, body := f.renew("sub")
		f.gateway.answer(canned{to: "/close", words: "400 invalid_request param_wrong_value"})
		f.wantRejected(f.settler(nil), body, billing.CloseRefused)
		f.gateway.stop()
		if err := f.put(item); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		next, nextBody := f.renew("sub")
		f.wantDone(f.settler(nil), nextBody)
		if got := len(f.adHocOfFinal(next)); got != 0 {
			t.Errorf("the next invoice has %d ad-hoc lines", got)
		}
		f.wantDone(f.settler(nil), body)
		if event := f.events()[value(item, "event_id")]; event.Status != billing.EventBilled || event.InvoiceID != id {
			t.Errorf("got %+v", event)
		}
		f.wantEachBilledOnce()
	})
}

// TestSession_StaleIndex: an event that was corrected before the index shows it is claimed with its current
// values, on this invoice.
func TestSession_StaleIndex(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixtureOf(t, chargebee.Config{Latency: 50 * time.Millisecond}, dynamodb.Config{IndexLag: func(string) time.Duration { return time.Minute }})
		item := f.event("sub", "calls", "10")
		if err := f.put(item); err != nil {
			t.Fatal(err)
		}
		_, body := f.renew("sub")
		time.Sleep(2 * time.Minute)
		item["amount"] = &types.AttributeValueMemberN{Value: "12"}
		if err := f.put(item); err != nil {
			t.Fatal(err)
		}
		f.wantClosed(f.settler(nil), body)
		if lines := f.last().Lines; lines != 1 {
			t.Errorf("%d lines were charged", lines)
		}
	})
}

func (f *fixture) put(item map[string]types.AttributeValue) error {
	_, err := f.sdk.PutItem(f.t.Context(), &awsdynamodb.PutItemInput{TableName: aws.String("events"), Item: item})
	return err
}

// TestSession_PendingDraftKeepsItsRecord: as long as a draft may be pending, its record shows that it was
// charged.
func TestSession_PendingDraftKeepsItsRecord(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		leaveOpen bool
		renew     func(f *fixture) (id string, body []byte)
		expires   bool
	}{
		"closed":    {renew: (*fixture).three, expires: true},
		"left open": {leaveOpen: true, renew: (*fixture).three},
		"empty":     {renew: func(f *fixture) (string, []byte) { return f.renewWithoutPlan("sub") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				f.settings.Close = !test.leaveOpen
				id, body := test.renew(f)
				f.wantDone(f.settler(nil), body)
				if record := f.head(id); (record.ExpiresAt != 0) != test.expires {
					t.Errorf("got %+v", record)
				}
			})
		})
	}
}
