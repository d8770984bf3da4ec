package settlement_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

// sites are what a site may do with the lines of an invoice; Chargebee documents a part of it.
var sites = map[string]chargebee.Config{
	"full pages":                     {},
	"short pages":                    {ShortPages: true},
	"short pages, first page again":  {ShortPages: true, ForeignCursor: chargebee.ForeignCursorFirstPage},
	"short pages, empty page":        {ShortPages: true, ForeignCursor: chargebee.ForeignCursorEmptyPage},
	"whole invoices":                 {WholeInvoices: true},
	"whole invoices, paging ignored": {WholeInvoices: true, IgnoresPaging: true},
	"answers cut":                    {CutAnswers: 1},
	"answers cut silently":           {CutAnswers: 1, CutSilently: true},
	"webhooks cut":                   {CutWebhooks: 1},
	"webhooks cut silently":          {CutWebhooks: 1, CutSilently: true},
	"bare webhooks":                  {BareWebhooks: true},
	"no nulls":                       {OmitsNulls: true},
	"both catalogs":                  {BothCatalogs: true},
	"new line ids":                   {NewLineIDs: true},
	"deleted invoices are shown":     {ShowsDeleted: true},
}

// renewLong renews a subscription whose invoice has a number of lines of its own.
func (f *fixture) renewLong(lines int) (invoiceID string, body []byte) {
	f.t.Helper()
	subscription := chargebee.Subscription{ID: "sub", CustomerID: "customer", CurrencyCode: "EUR", Plan: chargebee.Plan{ItemPriceID: "team", UnitAmount: 4900}}
	for i := range lines - 1 {
		subscription.Addons = append(subscription.Addons, chargebee.Addon{ItemPriceID: fmt.Sprint("addon_", i), UnitAmount: 100})
	}
	f.chargebee.AddSubscription(subscription)
	invoice, event, err := f.chargebee.Renew(chargebee.Renewal{SubscriptionIDs: []string{"sub"}})
	if err != nil {
		f.t.Fatal(err)
	}
	return invoice.ID, f.chargebee.Payload(event.ID)
}

// TestSites settles an invoice of more than one page of lines on every kind of site, also
// after the reply to its last charge was lost for longer than any key is remembered: the line
// is at the end of the invoice, and is charged once.
func TestSites(t *testing.T) {
	t.Parallel()
	for name, site := range sites {
		for _, lost := range []bool{false, true} {
			for _, trust := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, lost reply: %t, trust: %t", name, lost, trust), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						site := site
						if lost {
							site.Faults = once("add_charge", 3, sandbox.Fault{Kind: sandbox.LoseReply})
						}
						f := newFixtureOf(t, site, dynamodb.Config{})
						f.settings.TrustWebhook = trust
						for _, code := range []string{"calls", "seats", "storage"} {
							f.write("sub", code, "10")
						}
						_, body := f.renewLong(105)
						settler := f.settler(nil)
						began := time.Now()
						if outcome := f.handle(settler, body); outcome.Action == queue.Retry {
							time.Sleep(time.Hour)
							began = time.Now()
						}
						f.wantClosed(settler, body)
						if took := time.Since(began); took > time.Minute {
							t.Errorf("it took %s", took)
						}
						if got := strings.Count(f.calls(), "add_charge"); got != 3 {
							t.Errorf("called %s", f.calls())
						}
					})
				})
			}
		}
	}
}

// TestIncompleteRead decides nothing: the message comes back, as often as it takes, and that
// does not count as an attempt.
func TestIncompleteRead(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*http.Request){
		"a cursor that is refused":    func(request *http.Request) { replaceCursor(request, "foreign") },
		"the first page over again":   func(request *http.Request) { replaceCursor(request, "") },
		"a page that is not answered": func(request *http.Request) { request.URL.Path = "/api/v2/nothing" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixtureOf(t, chargebee.Config{Faults: once("add_charge", 3, sandbox.Fault{Kind: sandbox.LoseReply})}, dynamodb.Config{})
				id, body := f.three()
				f.wantRetry(f.settler(nil), body)
				for range 100 { // an operator adds lines: ours are no longer on the first page
					if _, err := f.chargebee.AddLine(id, chargebee.LineItem{Amount: 1, Description: "by hand"}); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Hour)
				before := f.head(id)
				broken := f.settler(onTheWayTo("chargebee", func(request *http.Request) error {
					if request.URL.Query().Has("line_items_offset") {
						spoil(request)
					}
					return nil
				}))
				for range 12 { // more than worker.max_attempts
					outcome := f.wantRetry(broken, body)
					if outcome.Delay > 2*time.Minute {
						t.Fatalf("got %+v", outcome)
					}
					time.Sleep(outcome.Delay)
				}
				if record := f.head(id); record.Attempts != 0 || record.State != before.State || record.Cursor != before.Cursor || !record.IsSending() {
					t.Errorf("got %+v, before %+v", record, before)
				}
				f.wantDone(f.settler(nil), body)
				if got := strings.Count(f.calls(), "add_charge"); got != 3 {
					t.Errorf("called %s", f.calls())
				}
			})
		})
	}
}

func replaceCursor(request *http.Request, cursor string) {
	query := request.URL.Query()
	query.Del("line_items_offset")
	if cursor != "" {
		query.Set("line_items_offset", cursor)
	}
	request.URL.RawQuery = query.Encode()
}

// TestInvoiceThatChangesBetweenPages is read again: a line that was removed moves others to a
// page that was read already.
func TestInvoiceThatChangesBetweenPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixtureOf(t, chargebee.Config{Faults: once("add_charge", 1, sandbox.Fault{Kind: sandbox.LoseReply})}, dynamodb.Config{})
		f.write("sub", "calls", "10")
		id, body := f.renewLong(100)
		settler := f.settler(nil)
		f.wantRetry(settler, body)
		time.Sleep(time.Hour)
		// Ours is the first line of the second page, until the first line is removed.
		f.meanwhile("retrieve", 2, func() error {
			invoice, _ := f.chargebee.Invoice(id)
			return f.chargebee.RemoveLine(id, invoice.LineItems[0].ID)
		})
		f.wantDone(settler, body)
		if lines := f.adHoc(f.head(id).FinalInvoiceID); len(lines) != 1 {
			t.Errorf("charged %+v", lines)
		}
	})
}

// closedDrafts are what the old id of a closed draft may answer. Chargebee documents none.
var closedDrafts = map[string]*chargebee.Error{
	"404": nil,
	"409": chargebee.ErrInvalidState,
	"400": chargebee.ErrInvalidRequest,
}

// TestClosedDraft: whatever the old id answers, the final invoice is found, within the window
// of the keys and after it.
func TestClosedDraft(t *testing.T) {
	t.Parallel()
	for name, refusal := range closedDrafts {
		for _, newIDs := range []bool{false, true} {
			for _, away := range []time.Duration{0, time.Hour} {
				t.Run(fmt.Sprintf("%s, new line ids: %t, away for %s", name, newIDs, away), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						f := newFixtureOf(t, chargebee.Config{
							ClosedDraft: refusal, NewLineIDs: newIDs,
							Faults: once("close", 1, sandbox.Fault{Kind: sandbox.LoseReply}),
						}, dynamodb.Config{})
						id, body := f.three()
						settler := f.settler(nil)
						f.wantRetry(settler, body)
						time.Sleep(away)
						f.wantClosed(settler, body)
						if record := f.head(id); record.FinalInvoiceID == "" || record.Outcome != billing.Closed {
							t.Errorf("got %+v", record)
						}
					})
				})
			}
		}
	}
}

// TestManualEdit_ClosesDraft whose old id answers in any way, in the middle of charging: what is
// on the final invoice is billed, and the rest released.
func TestManualEdit_ClosesDraft(t *testing.T) {
	t.Parallel()
	for name, refusal := range closedDrafts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixtureOf(t, chargebee.Config{ClosedDraft: refusal, NewLineIDs: true}, dynamodb.Config{})
				id, body := f.three()
				f.meanwhile("add_charge", 3, func() error { return closed(f, id) })
				f.wantResult(f.settler(nil), body, messageResult{billing.InvoiceNotPending, "ssr", "billed billed unbilled"})
				f.wantEachBilledOnce()
			})
		})
	}
}

// TestRefusedReadOfAPendingDraft decides nothing about the draft: a list by its id has it.
func TestRefusedReadOfAPendingDraft(t *testing.T) {
	t.Parallel()
	for _, words := range []string{"400 invalid_request invalid_request", "409 invalid_request invalid_state_for_request"} {
		t.Run(words, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				id, body := f.three()
				f.gateway.answer(canned{to: "/" + id, words: words, times: 20})
				f.wantClosed(f.settler(nil), body)
				if record := f.head(id); record.MissingSince != 0 {
					t.Errorf("got %+v", record)
				}
			})
		})
	}
}

// TestDeletedDraft is missing, also where a read shows it as deleted.
func TestDeletedDraft(t *testing.T) {
	t.Parallel()
	for _, shown := range []bool{false, true} {
		t.Run(fmt.Sprintf("shown: %t", shown), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixtureOf(t, chargebee.Config{ShowsDeleted: shown}, dynamodb.Config{})
				id, body := f.three()
				f.meanwhile("add_charge", 3, func() error { return deleted(f, id) })
				f.wantResult(f.settler(nil), body, messageResult{billing.SuccessorUnknown, "hhr", "claimed claimed unbilled"})
			})
		})
	}
}
