package settlement_test

import (
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
		write    func(w *world, item map[string]types.AttributeValue) error
		statuses string
		reported int
	}{
		"the same put again": {
			write:    func(w *world, item map[string]types.AttributeValue) error { return w.put(item) },
			statuses: "billed billed billed",
		},
		"a put with another amount": {
			write: func(w *world, item map[string]types.AttributeValue) error {
				item["amount"] = &types.AttributeValueMemberN{Value: "11"}
				return w.put(item)
			},
			statuses: "billed billed unbilled",
			reported: 1,
		},
		"an update of the amount": {
			write: func(w *world, item map[string]types.AttributeValue) error {
				_, err := w.sdk.UpdateItem(w.t.Context(), &awsdynamodb.UpdateItemInput{
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
				w := newWorld(t, nil)
				w.write("sub", "calls", "10")
				w.write("sub", "seats", "20")
				item := w.event("sub", "storage", "40")
				if err := w.put(item); err != nil {
					t.Fatal(err)
				}
				_, body := w.renew("sub")
				w.meanwhile("close", 1, func() error { return test.write(w, item) })
				w.wantDone(w.settler(nil), body)
				if last := w.last(); last.Result != billing.Closed {
					t.Errorf("got %+v", last)
				}
				w.wantStatuses(test.statuses)
				if got := len(w.notes.mismatched); got != test.reported {
					t.Errorf("%d mismatches were reported, want %d: %+v", got, test.reported, w.notes.mismatched)
				}
			})
		})
	}
}

// TestSession_StaleIndex: an event that was corrected before the index shows it is claimed with its current
// values, on this invoice.
func TestSession_StaleIndex(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOf(t, chargebee.Config{Latency: 50 * time.Millisecond}, dynamodb.Config{IndexLag: func(string) time.Duration { return time.Minute }})
		item := w.event("sub", "calls", "10")
		if err := w.put(item); err != nil {
			t.Fatal(err)
		}
		_, body := w.renew("sub")
		time.Sleep(2 * time.Minute)
		item["amount"] = &types.AttributeValueMemberN{Value: "12"}
		if err := w.put(item); err != nil {
			t.Fatal(err)
		}
		w.wantClosed(w.settler(nil), body)
		if lines := w.last().Lines; lines != 1 {
			t.Errorf("%d lines were charged", lines)
		}
	})
}

func (w *world) put(item map[string]types.AttributeValue) error {
	_, err := w.sdk.PutItem(w.t.Context(), &awsdynamodb.PutItemInput{TableName: aws.String("events"), Item: item})
	return err
}

// TestSession_PendingDraftKeepsItsRecord: as long as a draft may be pending, its record shows that it was
// charged.
func TestSession_PendingDraftKeepsItsRecord(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		leaveOpen bool
		renew     func(w *world) (id string, body []byte)
		expires   bool
	}{
		"closed":    {renew: (*world).three, expires: true},
		"left open": {leaveOpen: true, renew: (*world).three},
		"empty":     {renew: func(w *world) (string, []byte) { return w.renewWithoutPlan("sub") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.settings.Close = !test.leaveOpen
				id, body := test.renew(w)
				w.wantDone(w.settler(nil), body)
				if record := w.head(id); (record.ExpiresAt != 0) != test.expires {
					t.Errorf("got %+v", record)
				}
			})
		})
	}
}
