package settlement_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
)

// TestBiggestHead is read for one unit, and written for four: it has at most 4 KB, with
// the longest ids, a verdict on as many lines as there may be, and a detail that had to
// be cut.
func TestBiggestHead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		biggest := billing.Record{
			InvoiceID:      strings.Repeat("😀", 100), // a webhook may name no longer one
			State:          billing.Rejected,
			Resume:         billing.Releasing,
			Acquisitions:   math.MaxInt32,
			Version:        billing.NewToken(),
			LeaseUntil:     time.Now().Unix(),
			Epoch:          strings.Repeat("😀", 50), // longer than any, so that the detail is cut
			Pages:          math.MaxInt32,
			Cursor:         billing.MaxLines,
			SendingSince:   time.Now().Unix(),
			InDoubt:        true,
			MissingSince:   time.Now().Unix(),
			Dispositions:   billing.RepeatDisposition(billing.ChargeUnknown, billing.MaxLines),
			ProcessedPages: math.MaxInt32,
			Outcome:        billing.LeftOpen,
			Reason:         billing.AttemptsExhausted,
			FinalInvoiceID: strings.Repeat("😀", 50),
			ExpiresAt:      time.Now().Unix(),
			UpdatedAt:      time.Now().Unix(),
			SchemaVersion:  billing.SchemaVersion,
		}
		if err := f.store.Commit(t.Context(), billing.Step{Record: biggest}); err != nil {
			t.Fatal(err)
		}
		// There is no manifest: the error has the invoice's id, twice.
		body, err := json.Marshal(map[string]any{
			"id": "ev_1", "event_type": "pending_invoice_created", "api_version": "v2",
			"content": map[string]any{"invoice": map[string]any{
				"id": biggest.InvoiceID, "customer_id": "customer", "currency_code": "EUR", "status": "pending", "date": time.Now().Unix(),
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		f.wantRetry(f.settler(nil), body)
		record := f.head(biggest.InvoiceID)
		if record.Attempts != 1 || record.Dispositions != biggest.Dispositions || !strings.HasPrefix(f.last().DeferReason, "read the manifest of 😀") {
			t.Errorf("got %+v: %+v", record, f.last())
		}
		if !strings.HasSuffix(record.Detail, "😀…") || !utf8.ValidString(record.Detail) || len(record.Detail) > queue.MaxDetail {
			t.Errorf("the detail was not cut, or not between characters: %q", record.Detail)
		}
		for _, item := range f.tables.Items("ledger") {
			if size := item.Size(); size > 4<<10 {
				t.Errorf("%.20s … has %d bytes, of them the detail %d", fmt.Sprint(item["invoice_id"]), size, len(record.Detail))
			}
		}
	})
}
