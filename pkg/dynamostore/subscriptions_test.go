package dynamostore_test

import (
	"cmp"
	"errors"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/billing"
)

// TestStore_InvoicesOfSubscription: a claim adds its invoice to the subscriptions of its events, once.
func TestStore_InvoicesOfSubscription(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if invoices, err := f.store.InvoicesOf(t.Context(), "sub"); err != nil || len(invoices) != 0 {
		t.Errorf("before: %+v, %v", invoices, err)
	}
	for i, id := range []string{"draft 1", "draft_2"} {
		step := billing.Step{
			Record: billing.Record{InvoiceID: id, State: billing.Claiming, Version: "w", Epoch: "e", Pages: 1},
			Claim:  &billing.Page{}, Date: int64(100 + i),
		}
		f.put(event(id+" a", nil))
		f.put(event(id+" b", nil))
		step.Claim.Events = f.unbilled()
		f.must(step)
		f.must(step) // its response was lost
	}
	invoices, err := f.store.InvoicesOf(t.Context(), "sub")
	slices.SortFunc(invoices, func(a, b billing.SubscriptionInvoice) int { return cmp.Compare(a.Date, b.Date) })
	if want := []billing.SubscriptionInvoice{{ID: "draft 1", Date: 100}, {ID: "draft_2", Date: 101}}; err != nil || !slices.Equal(invoices, want) {
		t.Errorf("got %+v, %v", invoices, err)
	}
}

// TestStore_Restore: an event that was written again is billed on the invoice that has it, unless it changed since it
// was read.
func TestStore_Restore(t *testing.T) {
	t.Parallel()
	for name, final := range map[string]string{"closed": "INV-1", "left open": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.put(event("a", nil))
			again := billing.Rewritten{Event: f.unbilled()[0], InvoiceID: "draft_1", FinalInvoiceID: final, BilledAt: 77}
			step := billing.Step{Record: billing.Record{InvoiceID: "draft_2", State: billing.Claiming, Version: "w1"}, Restore: []billing.Rewritten{again}}
			changed := again
			changed.Amount = "99"
			stale := step
			stale.Restore = []billing.Rewritten{changed}
			var failed *billing.EventsChanged
			if err := f.commit(stale); !errors.As(err, &failed) {
				t.Fatalf("with another amount: %v", err)
			}
			f.must(step)
			output, err := f.sdk.GetItem(t.Context(), &awsdynamodb.GetItemInput{
				TableName: aws.String("events"), Key: map[string]types.AttributeValue{"subscription_id": text("sub"), "event_id": text("a")},
			})
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"status": "billed", "invoice_id": "draft_1", "final_invoice_id": final, "billed_at": "77", "unbilled": ""}
			for attribute, value := range want {
				got := ""
				switch found := output.Item[attribute].(type) {
				case *types.AttributeValueMemberS:
					got = found.Value
				case *types.AttributeValueMemberN:
					got = found.Value
				}
				if got != value {
					t.Errorf("%s is %q, want %q", attribute, got, value)
				}
			}
		})
	}
}
