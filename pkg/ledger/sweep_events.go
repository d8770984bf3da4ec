package ledger

import (
	"context"
	"fmt"
	"time"
)

// aheadLimit is how far ahead of now an event may be dated without being told of.
const aheadLimit = 24 * time.Hour

// events looks for unbilled events that no invoice came for, or that no invoice will come
// for soon.
func (s *sweep) events(ctx context.Context) error {
	old, ahead := s.began.Add(-s.rules.EventsOlderThan), s.began.Add(aheadLimit)
	var late, early tally
	for unbilled, err := range s.Events.AllUnbilled(ctx) {
		if err != nil {
			return fmt.Errorf("unbilled events: %w", err)
		}
		s.looked()
		at := time.Unix(unbilled.OccurredAt, 0).UTC()
		switch {
		case at.Before(old):
			late.add(unbilled.String(), unbilled.SubscriptionID, at)
		case at.After(ahead):
			early.add(unbilled.String(), unbilled.SubscriptionID, at)
		}
	}
	s.findTally(&late, Finding{
		Name: "old_unbilled_events", Level: Doubtful,
		Finding: fmt.Sprintf("events older than %s are not billed: no invoice came for them", s.rules.EventsOlderThan),
		Remedy:  "see whether the subscriptions still renew, and have metered billing on; an event of a cancelled one is billed by hand",
	})
	s.findTally(&early, Finding{
		Name: "future_unbilled_events", Level: Doubtful,
		Finding: "events are dated more than a day ahead: they wait for the invoice after that date",
		Remedy:  "see whether their producer writes occurred_at in seconds; remove wrong ones while they are unbilled, and write them anew",
	})
	return nil
}
