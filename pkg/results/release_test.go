package results_test

import (
	"testing"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/results"
	"github.com/billable-events/billable/pkg/settlement"
)

// TestNewRelease has one line of each disposition: events of a line that may be charged stay claimed.
func TestNewRelease(t *testing.T) {
	t.Parallel()
	dispositions := billing.RepeatDisposition(billing.Charged, 1) + billing.RepeatDisposition(billing.NotCharged, 1) +
		billing.RepeatDisposition(billing.ChargeUnknown, 1)
	release := results.NewRelease(settlement.Release{
		Record:       billing.Record{InvoiceID: "draft_1", State: billing.Rejected},
		Claimed:      true,
		Lines:        []billing.Line{{Amount: 100, Events: 1}, {Amount: 100, Events: 2}, {Amount: 100, Events: 4}},
		Dispositions: dispositions,
	}, false)
	if release.Billed != 1 || release.Released != 2 {
		t.Errorf("%d billed, %d released", release.Billed, release.Released)
	}
	for i, want := range []string{"billed", "released", "claimed"} {
		if got := release.Lines[i].Becomes; got != want {
			t.Errorf("line %d: got %s, want %s", i, got, want)
		}
	}
}
