package settlement_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
	"github.com/billable-events/billable/pkg/settlement"
)

// restoreLedger deletes everything from the ledger, as a restore to an earlier moment does.
func (f *fixture) restoreLedger() {
	f.t.Helper()
	for _, item := range f.tables.Items("ledger") {
		_, err := f.sdk.DeleteItem(f.t.Context(), &awsdynamodb.DeleteItemInput{
			TableName: aws.String("ledger"), Key: map[string]types.AttributeValue{"invoice_id": text(string(item["invoice_id"].(attribute.String)))},
		})
		if err != nil {
			f.t.Fatal(err)
		}
	}
}

// TestReleaseUnrecorded releases claims that a restored ledger does not have, unless they may be charged.
func TestReleaseUnrecorded(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		crashAt int // call to DynamoDB or Chargebee at which the session ends before the restore
		edit    manualEdit
		plain   string // the error without an assertion; empty: none
		vouched string // with one
	}{
		"claimed":                   {crashAt: 7, edit: inTurn()},
		"charged":                   {crashAt: 12, edit: inTurn(), plain: "of a plan that the ledger does not have", vouched: "of a plan that the ledger does not have"},
		"charged, the line removed": {crashAt: 12, edit: removed},
		"closed":                    {crashAt: 7, edit: closed, plain: "state with --assert-not-charged"},
		"deleted":                   {crashAt: 7, edit: deleted, plain: "state with --assert-not-charged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				id, body := f.three()
				f.handleAndCrash(&crash{at: test.crashAt}, body)
				f.wantStatuses("claimed claimed claimed")
				f.restoreLedger()
				f.let(test.edit, id)
				time.Sleep(quiet)

				release := func(order settlement.Order) (int, error) {
					order.InvoiceID = id
					_, released, err := f.settler(nil).ReleaseUnrecorded(t.Context(), order)
					return released, err
				}
				before := f.tablesAs()
				dry, err := release(settlement.Order{DryRun: true, NotCharged: neverCharged})
				if f.tablesAs() != before {
					t.Error("a dry run wrote something")
				}
				if test.vouched == "" && (err != nil || dry != 3) {
					t.Fatalf("a dry run: %d, %v", dry, err)
				}
				released, err := release(settlement.Order{})
				if test.plain != "" {
					f.wantRefused(err, test.plain)
					f.wantStatuses("claimed claimed claimed")
					released, err = release(settlement.Order{NotCharged: neverCharged})
				}
				if test.vouched != "" {
					f.wantRefused(err, test.vouched)
					f.wantStatuses("claimed claimed claimed")
					return
				}
				if err != nil || released != 3 {
					t.Fatalf("released %d, %v", released, err)
				}
				f.wantStatuses("unbilled unbilled unbilled")
				if record := f.head(id); !record.ClaimsReleased() || record.Owner != "" || !strings.HasPrefix(record.Detail, "released at") {
					t.Errorf("got %+v", record)
				}
				f.wantRetry(f.settler(nil), body) // the index may not show the released events yet
				if again, err := release(settlement.Order{}); err != nil || again != 0 {
					t.Errorf("released again: %d, %v", again, err)
				}
				time.Sleep(time.Minute)
				if invoice, pending := f.chargebee.Invoice(id); !pending || invoice.Deleted {
					_, body = f.renew("sub")
				}
				f.wantDone(f.settler(nil), body)
				f.wantAllBilled()
			})
		})
	}
}

// TestReleaseUnrecorded_KeepsRecordedClaims of a session that is in progress.
func TestReleaseUnrecorded_KeepsRecordedClaims(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		id, body := f.three()
		f.handleAndCrash(&crash{at: 7}, body)
		_, _, err := f.settler(nil).ReleaseUnrecorded(t.Context(), settlement.Order{InvoiceID: id})
		f.wantRefused(err, "is being processed")
		time.Sleep(2 * settings.Lease)
		_, released, err := f.settler(nil).ReleaseUnrecorded(t.Context(), settlement.Order{InvoiceID: id})
		if err != nil || released != 0 {
			t.Errorf("released %d, %v", released, err)
		}
		f.wantStatuses("claimed claimed claimed")
		if record := f.head(id); record.State != billing.Charging || record.Owner != "" {
			t.Errorf("got %+v", record)
		}
		f.wantClosed(f.settler(nil), body)
	})
}
