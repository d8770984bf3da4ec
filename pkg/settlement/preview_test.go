package settlement_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
	"github.com/billable-events/billable/pkg/settlement"
)

// shown returns the values that a preview and a plan must have in common: all but what is random in
// each plan.
func shown(lines []billing.Line) string {
	var text strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&text, "%s %s %d %q %d %d-%d %q %s %s\n",
			line.SubscriptionID, line.ChargeCode, line.Amount, line.Quantity, line.Events, line.From, line.To, line.Text(), line.ItemPriceID, line.TaxJarProductCode)
	}
	return text.String()
}

// tryPreview makes a preview with the record of the ledger.
func (f *fixture) tryPreview(id string) (settlement.Preview, error) {
	f.t.Helper()
	settler := f.settler(nil)
	record, ok, err := settler.Ledger.Record(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	var found *billing.Record
	if ok {
		found = &record
	}
	return settler.Preview(f.t.Context(), id, found)
}

// preview is a preview that writes nothing and makes a number of reads.
func (f *fixture) preview(id string, reads int) settlement.Preview {
	f.t.Helper()
	tables, calls := f.tablesAs(), len(f.chargebee.Calls())
	preview, err := f.tryPreview(id)
	if err != nil {
		f.t.Fatal(err)
	}
	if f.tablesAs() != tables {
		f.t.Error("a preview wrote something")
	}
	for _, call := range f.chargebee.Calls()[calls:] {
		if reads--; call.Operation != "retrieve" {
			f.t.Errorf("a preview called %s", call.Operation)
		}
	}
	if reads != 0 {
		f.t.Errorf("it made %d calls less", reads)
	}
	return preview
}

// TestPreviewIsWhatHappens previews an invoice, and then settles it.
func TestPreviewIsWhatHappens(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		arise func(f *fixture) (id string, body []byte)
		would settlement.InvoicePrediction
		ends  billing.Outcome // how it is done; empty: rejected
		total int64
	}{
		"charged and closed": {(*fixture).three, settlement.WillClose, billing.Closed, 70},
		"of the catalog, with a line of 0": {
			func(f *fixture) (string, []byte) {
				f.settings.Catalog = catalog()
				f.sell(chargebee.ItemPrice{ID: "calls-EUR"})
				f.write("sub", "calls", "10.25", "description=Text", "quantity=2")
				f.write("sub", "calls", "20.25", "description=Text", "quantity=3")
				f.write("sub", "seats", "40", "description="+strings.Repeat("ü", 300), "quantity=2.50")
				f.write("sub", "storage", "0.25")
				return f.renew("sub")
			},
			settlement.WillClose, billing.Closed, 70,
		},
		"consolidated, of many events": {
			func(f *fixture) (string, []byte) {
				for range 120 {
					f.write("one", "calls", "0.5")
					f.write("two", "calls", "1")
				}
				return f.renew("one", "two")
			},
			settlement.WillClose, billing.Closed, 180,
		},
		"not closed by the settings": {
			func(f *fixture) (string, []byte) { f.settings.Close = false; return f.three() },
			settlement.WillLeaveOpen, billing.LeftOpen, 70,
		},
		"no events": {
			func(f *fixture) (string, []byte) { return f.renew("sub") },
			settlement.WillClose, billing.Closed, 0,
		},
		"no events, not closed by the settings": {
			func(f *fixture) (string, []byte) { f.settings.CloseWithoutEvents = false; return f.renew("sub") },
			settlement.WillLeaveOpen, billing.LeftOpen, 0,
		},
		"no line at all": {
			func(f *fixture) (string, []byte) {
				f.write("sub", "free", "0")
				return f.renewWithoutPlan("sub")
			},
			settlement.WillBeEmpty, billing.Empty, 0,
		},
		"an event after its date": {
			func(f *fixture) (string, []byte) {
				f.write("sub", "calls", "10")
				f.write("sub", "calls", "20", fmt.Sprint("occurred_at=", time.Now().Unix()))
				return f.renew("sub")
			},
			settlement.WillClose, billing.Closed, 10,
		},
		"above the limit": {
			func(f *fixture) (string, []byte) { f.settings.MaxAmount = 69; return f.three() },
			settlement.WillReject, "", 0,
		},
		"a bad event": {
			func(f *fixture) (string, []byte) { f.write("sub", "calls", "1e30"); return f.three() },
			settlement.WillReject, "", 0,
		},
		"in the middle of charging, then closed by somebody": {
			func(f *fixture) (string, []byte) {
				f.write("sub", "calls", "10")
				id, body := f.renew("sub")
				f.gateway.answer(canned{to: "/add_charge", words: notReady})
				f.wantRetry(f.settler(nil), body) // the ledger has its plan
				f.gateway.stop()
				f.let(closed, id)
				return id, body
			},
			settlement.WillResume, "", 10,
		},
		"half claimed": {
			func(f *fixture) (string, []byte) {
				for range 250 {
					f.write("sub", "calls", "1")
				}
				id, body := f.renew("sub")
				f.handleAndCrash(&crash{at: 7}, body)
				time.Sleep(2 * settings.Lease)
				if record := f.head(id); record.State != billing.Claiming || record.Pages == 0 {
					f.t.Fatalf("got %+v", record)
				}
				return id, body
			},
			settlement.WillClose, billing.Closed, 250,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				id, body := test.arise(f)
				reads := 1
				if test.would == settlement.WillResume {
					reads = 0
				}
				preview := f.preview(id, reads)
				var total int64
				for _, line := range preview.Lines {
					total += line.Amount
				}
				if preview.Prediction != test.would || total != test.total || preview.Manifest.InvoiceID != id {
					t.Errorf("got %+v, in all %d", preview, total)
				}
				outcome := f.deliver(f.settler(nil), body)
				record := f.head(id)
				if record.Outcome != test.ends || (outcome.Action == queue.DeadLetter) != (test.ends == "") {
					t.Errorf("it ended as %+v", record)
				}
				if preview.Prediction == settlement.WillReject {
					if preview.Reason != record.Reason || preview.Detail != record.Detail {
						t.Errorf("previewed %s: %s\nrejected as %s: %s", preview.Reason, preview.Detail, record.Reason, record.Detail)
					}
					return
				}
				plan, err := f.store.Plan(t.Context(), id, record.Epoch)
				if err != nil || shown(plan.Lines) != shown(preview.Lines) {
					t.Errorf("previewed\n%scharged\n%s%v", shown(preview.Lines), shown(plan.Lines), err)
				}
				manifest, err := f.store.Manifest(t.Context(), id, record.Epoch)
				if got := preview.Manifest; err != nil || got.Date != manifest.Date || got.CurrencyCode != manifest.CurrencyCode ||
					got.CustomerID != manifest.CustomerID || fmt.Sprint(got.Subscriptions) != fmt.Sprint(manifest.Subscriptions) {
					t.Errorf("previewed %+v\ncharged %+v, %v", got, manifest, err)
				}
				events := 0
				for _, line := range plan.Lines {
					events += line.Events
				}
				if preview.Events != events {
					t.Errorf("previewed %d events, charged %d", preview.Events, events)
				}
			})
		})
	}
}

// TestPreviewOfAnInvoiceThatIsOver has its outcome.
func TestPreviewOfAnInvoiceThatIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		id, body := f.three()
		f.wantClosed(f.settler(nil), body)
		preview := f.preview(id, 0)
		if preview.Prediction != settlement.WillDoNothing || !preview.Planned || len(preview.Lines) != 3 || preview.Record.Outcome != billing.Closed {
			t.Errorf("done: %+v", preview)
		}
		if _, err := f.tryPreview("draft_unknown"); !errors.Is(err, settlement.ErrNoInvoice) {
			t.Errorf("unknown: %v", err)
		}

		// One that was closed manually first, with and without anything to charge.
		final := f.head(id).FinalInvoiceID
		if preview := f.preview(final, 1); preview.Prediction != settlement.WillReject || preview.Reason != billing.InvoiceNotPending || preview.Status == billing.StatusPending {
			t.Errorf("somebody else's: %+v", preview)
		}
		f.write("sub", "calls", "1")
		if preview := f.preview(final, 1); preview.Prediction != settlement.WillReject || preview.Reason != billing.InvoiceNotPending {
			t.Errorf("somebody else's, with events: %+v", preview)
		}
	})
}

// TestPreviewCountsEventsOnce that are claimed already, and that the index still shows.
func TestPreviewCountsEventsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lag := time.Duration(0)
		f := newFixtureOf(t, chargebee.Config{}, dynamodb.Config{IndexLag: func(string) time.Duration { return lag }})
		for range 150 {
			f.write("sub", "calls", "1")
		}
		id, body := f.renew("sub")
		time.Sleep(time.Second)
		lag = time.Hour
		f.handleAndCrash(&crash{at: 7}, body)
		if record := f.head(id); record.Pages != 1 {
			t.Fatalf("got %+v", record)
		}
		if preview := f.preview(id, 1); preview.Events != 150 || preview.Lines[0].Amount != 150 {
			t.Errorf("got %+v", preview)
		}
	})
}

// TestPreview_MissingDraft while its events are being claimed.
func TestPreview_MissingDraft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		for range 150 {
			f.write("sub", "calls", "1")
		}
		id, body := f.renew("sub")
		f.handleAndCrash(&crash{at: 7}, body)
		time.Sleep(2 * settings.Lease)
		f.let(deleted, id)
		preview := f.preview(id, 1)
		if preview.Prediction != settlement.WillReject || preview.Reason != billing.InvoiceNotPending || preview.Status != "" || preview.Events != 150 {
			t.Errorf("got %+v", preview)
		}
	})
}

// TestPreviewOfARejectedInvoice: what was released is planned again, what is claimed is not.
func TestPreviewOfARejectedInvoice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		id, _ := f.rejectedWithALine()
		preview := f.preview(id, 0)
		if preview.Prediction != settlement.WillResume || !preview.Planned || preview.Reason != billing.ChargebeeRefused || preview.Lines[0].Marker == "" {
			t.Errorf("held: %+v", preview)
		}
		f.let(removed, id)
		time.Sleep(quiet)
		if _, err := f.release(id); err != nil {
			t.Fatal(err)
		}
		if preview := f.preview(id, 1); preview.Prediction != settlement.WillClose || preview.Planned || len(preview.Lines) != 3 {
			t.Errorf("given back: %+v", preview)
		}
		f.let(deleted, id)
		if _, err := f.tryPreview(id); !errors.Is(err, settlement.ErrNoInvoice) || !strings.Contains(err.Error(), "claims were released") {
			t.Errorf("given back, then deleted: %v", err)
		}
	})
}
