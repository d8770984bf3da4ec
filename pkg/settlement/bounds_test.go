package settlement_test

import (
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/settlement"
)

// TestBounds checks the bounds by which commands evaluate queues and records.
func TestBounds(t *testing.T) {
	t.Parallel()
	// 50 receives as they come, then one every 570 s until 6 days are over.
	if settlement.MinReceives != 960 {
		t.Errorf("a message needs %d receives", settlement.MinReceives)
	}
	settings := settlement.Settings{Lease: time.Minute, MaxEffectDelay: 5 * time.Minute, IdempotencyWindow: 30 * time.Minute, MaxSkew: 30 * time.Second}
	if got := settings.MaxIdle(); got != 37*time.Minute {
		t.Errorf("the longest wait is %s", got)
	}
	settings.IdempotencyWindow, settings.MaxEffectDelay = time.Minute, time.Second // as a sandbox has them
	if got := settings.MaxIdle(); got != 16*time.Minute+30*time.Second {
		t.Errorf("with a short window it is %s", got)
	}
}
