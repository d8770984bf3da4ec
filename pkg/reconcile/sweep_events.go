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

// aheadLimit is how far ahead of now an event may be dated without being told of.
const maxAhead = 24 * time.Hour

// events looks for unbilled events that no invoice came for, or that no invoice will come
// for soon.
func (s *sweep) events(ctx context.Context) error {
	old, ahead := s.began.Add(-s.rules.EventsOlderThan), s.began.Add(maxAhead)
	var late, early tally
	var credits credits
	for unbilled, err := range s.Events.AllUnbilled(ctx) {
		if err != nil {
			return fmt.Errorf("unbilled events: %w", err)
		}
		s.reportProgress()
		at := time.Unix(unbilled.OccurredAt, 0).UTC()
		if at.Before(old) {
			credits.add(unbilled, at)
		}
		switch {
		case at.Before(old) && isCredit(unbilled): // an invoice came, and carried it forward
		case at.Before(old):
			late.add(unbilled.String(), unbilled.SubscriptionID, at)
		case at.After(ahead):
			early.add(unbilled.String(), unbilled.SubscriptionID, at)
		}
	}
	s.addTally(&late, Finding{Finding: finding.Finding{
		Name: "old_unbilled_events", Level: finding.Warning,
		Message: fmt.Sprintf("events older than %s are not billed: no invoice came for them", s.rules.EventsOlderThan),
		Remedy:  "see whether the subscriptions still renew, and have metered billing on; an event of a cancelled one is billed by hand",
	}})
	s.addTally(&early, Finding{Finding: finding.Finding{
		Name: "future_unbilled_events", Level: finding.Warning,
		Message: "events are dated more than a day ahead: they wait for the invoice after that date",
		Remedy:  "see whether their producer writes occurred_at in seconds; remove wrong ones while they are unbilled, and write them anew",
	}})
	lines := credits.notNetted()
	s.addTally(&lines, Finding{Finding: finding.Finding{
		Name: "credits_not_netted", Level: finding.Warning,
		Message: fmt.Sprintf("credits older than %s exceed the charges of their subscription and charge code: they are carried forward from invoice to invoice", s.rules.EventsOlderThan),
		Remedy:  "issue a credit note in Chargebee, and void the events that it covers",
	}})
	return nil
}

// isCredit reports whether an event has a negative amount.
func isCredit(event billing.Event) bool { return strings.HasPrefix(event.Amount, "-") }

// credits sums up old unbilled events by the line that they belong to. Lines that come first
// beyond maxCounted are left out.
type credits struct {
	lines map[billing.LineKey]*creditLine
}

type creditLine struct {
	sum    decimal.Decimal
	oldest time.Time
}

func (c *credits) add(event billing.Event, at time.Time) {
	amount, err := decimal.NewFromString(event.Amount)
	line, known := c.lines[event.Line()]
	if err != nil || !known && len(c.lines) >= maxCounted {
		return
	}
	if !known {
		if c.lines == nil {
			c.lines = map[billing.LineKey]*creditLine{}
		}
		line = &creditLine{oldest: at}
		c.lines[event.Line()] = line
	}
	line.sum = line.sum.Add(amount)
	if at.Before(line.oldest) {
		line.oldest = at
	}
}

// notNetted counts the lines whose credits exceed their charges.
func (c *credits) notNetted() tally {
	var counted tally
	for key, line := range c.lines {
		if line.sum.IsNegative() {
			counted.add(fmt.Sprintf("%s/%s: %s", key.SubscriptionID, key.ChargeCode, line.sum), key.SubscriptionID, line.oldest)
		}
	}
	return counted
}
