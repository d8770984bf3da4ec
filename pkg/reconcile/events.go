package reconcile

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/finding"
)

// maxAhead is the maximum time in the future that an event may be dated without a finding.
const maxAhead = 24 * time.Hour

// checkEvents reports unbilled events that are too old or too far in the future, and lines whose old credits
// exceed their old charges.
func (s *sweep) checkEvents(ctx context.Context) error {
	oldest, newest := s.began.Add(-s.options.EventsOlderThan), s.began.Add(maxAhead)
	var tooOld, tooNew tally
	oldSums := lineSums{}
	for unbilled, err := range s.Events.AllUnbilled(ctx) {
		if err != nil {
			return fmt.Errorf("read unbilled events: %w", err)
		}
		s.recordProgress()
		at := time.Unix(unbilled.OccurredAt, 0).UTC()
		isOld := at.Before(oldest)
		if isOld {
			oldSums.add(unbilled, at)
		}
		switch {
		case isOld && isCredit(unbilled): // old credits are normal: invoices carry them forward
		case isOld:
			tooOld.add(unbilled.String(), unbilled.SubscriptionID, at)
		case at.After(newest):
			tooNew.add(unbilled.String(), unbilled.SubscriptionID, at)
		}
	}
	s.addTally(tooOld, finding.Finding{
		Name: "old_unbilled_events", Level: finding.Warning,
		Message:  fmt.Sprintf("events older than %s are not billed: there was no invoice for them", s.options.EventsOlderThan),
		Solution: "check that the subscriptions still renew and have metered billing; bill events of a cancelled one manually",
	})
	s.addTally(tooNew, finding.Finding{
		Name: "future_unbilled_events", Level: finding.Warning,
		Message:  "events are dated more than a day in the future: they are billed on the invoice after that date",
		Solution: "check that their producer writes occurred_at in seconds; void wrong ones while they are unbilled, and write the right ones under a new event_id",
	})
	s.addTally(oldSums.negative(), finding.Finding{
		Name: "credits_not_netted", Level: finding.Warning,
		Message:  fmt.Sprintf("credits older than %s exceed the charges of their subscription and charge code: they are carried forward from invoice to invoice", s.options.EventsOlderThan),
		Solution: "issue a credit note in Chargebee, and void the events that it covers",
	})
	return nil
}

// checkClaims reports invoices for which events are claimed although the ledger has no record of them, or a
// record without claims.
func (s *sweep) checkClaims(ctx context.Context) error {
	if !s.options.CheckClaims {
		return nil
	}
	checked := map[string]bool{} // by invoice
	var unrecorded tally
	for claimed, err := range s.Events.Claimed(ctx) {
		if err != nil {
			return fmt.Errorf("read claimed events: %w", err)
		}
		s.recordProgress()
		if checked[claimed.InvoiceID] {
			continue
		}
		checked[claimed.InvoiceID] = true
		record, recorded, err := s.Ledger.Record(ctx, claimed.InvoiceID)
		if err != nil {
			return fmt.Errorf("read the record of %s: %w", claimed.InvoiceID, err)
		}
		// A record that is not idle may have released the event after it was read.
		if !recorded || !record.HoldsClaims() && s.isIdle(record) {
			var updatedAt time.Time
			if recorded {
				updatedAt = time.Unix(record.UpdatedAt, 0).UTC()
			}
			unrecorded.add(claimed.InvoiceID, claimed.SubscriptionID, updatedAt)
		}
	}
	s.addTally(unrecorded, finding.Finding{
		Name: "claims_without_record", Level: finding.Error,
		Message:  "events are claimed for invoices that the ledger does not have, or has as settled: nothing will bill them. Was a table restored?",
		Solution: "for each: consumer invoice release ID --unrecorded",
	})
	return nil
}

func isCredit(event billing.Event) bool { return strings.HasPrefix(event.Amount, "-") }

// lineSums has the sum of the amounts of events, charges and credits, by line. Invalid amounts, and lines
// beyond maxCounted, are ignored.
type lineSums map[billing.LineKey]*lineSum

type lineSum struct {
	sum    decimal.Decimal
	oldest time.Time
}

func (l lineSums) add(event billing.Event, at time.Time) {
	amount, err := decimal.NewFromString(event.Amount)
	line, known := l[event.Line()]
	if err != nil || !known && len(l) >= maxCounted {
		return
	}
	if !known {
		line = &lineSum{oldest: at}
		l[event.Line()] = line
	}
	line.sum = line.sum.Add(amount)
	if at.Before(line.oldest) {
		line.oldest = at
	}
}

// negative counts the lines whose sum is negative: their credits exceed their charges.
func (l lineSums) negative() tally {
	var counted tally
	for key, line := range l {
		if line.sum.IsNegative() {
			counted.add(fmt.Sprintf("%s/%s: %s", key.SubscriptionID, key.ChargeCode, line.sum), key.SubscriptionID, line.oldest)
		}
	}
	return counted
}
