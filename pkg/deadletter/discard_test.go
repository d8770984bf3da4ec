package deadletter_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/queue"
)

// archive keeps letters, but those that it cannot.
type archive struct {
	cannot string // the id of a message

	mu   sync.Mutex
	kept []deadletter.Kept
}

var errDisk = errors.New("no space left")

func (a *archive) Keep(letter deadletter.Kept) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if letter.MessageID == a.cannot {
		return errDisk
	}
	a.kept = append(a.kept, letter)
	return nil
}

func TestDiscard(t *testing.T) {
	t.Parallel()
	ledger := knowing(
		billing.Head{InvoiceID: "draft_done", State: billing.Finished},
		billing.Head{InvoiceID: "draft_released", State: billing.Rejected, Resume: billing.Claiming},
		billing.Head{InvoiceID: "draft_held", State: billing.Rejected, Resume: billing.Charging},
		billing.Head{InvoiceID: "draft_closing", State: billing.Rejected, Resume: billing.Closing},
		billing.Head{InvoiceID: "draft_releasing", State: billing.Rejected, Resume: billing.Releasing},
		billing.Head{InvoiceID: "draft_working", State: billing.Charging},
	)
	var letters []queue.Message
	for _, invoice := range []string{"unknown", "done", "released", "held", "closing", "releasing", "working"} {
		letters = append(letters, letterOf(invoice, "draft_"+invoice))
	}
	letters = append(letters, letterOf("other", "draft_other", "reason", "above_limit"))
	all := deadletter.Filter{Reason: "too_old"}
	for name, test := range map[string]struct {
		disposal deadletter.Disposal
		cannot   string
		deleted  string
		counts   map[deadletter.Action]int
		err      error
	}{
		"what holds no claims": {
			disposal: deadletter.Disposal{Filter: all, Note: "tests"},
			deleted:  "[done released unknown]",
			counts:   map[deadletter.Action]int{deadletter.Discarded: 3, deadletter.Refused: 4},
		},
		"a dry run": {
			disposal: deadletter.Disposal{Filter: all, DryRun: true},
			deleted:  "[]",
			counts:   map[deadletter.Action]int{deadletter.Discarded: 3, deadletter.Refused: 4},
		},
		"what cannot be kept stays": {
			disposal: deadletter.Disposal{Filter: all, Note: "tests"}, cannot: "done",
			deleted: "[released unknown]",
			counts:  map[deadletter.Action]int{deadletter.Discarded: 2, deadletter.Refused: 4, deadletter.Failed: 1},
			err:     deadletter.ErrPartial,
		},
		"without a filter": {deleted: "[]", err: deadletter.ErrNoFilter},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := &queues{dead: slices.Clone(letters)}
			kept := &archive{cannot: test.cannot}
			discarder := &deadletter.Discarder{Box: deadletter.Box{Letters: q, Heads: ledger, Remover: q, Now: time.Now}, Archive: kept}
			result, err := discarder.Run(t.Context(), test.disposal, nil)
			if !errors.Is(err, test.err) {
				t.Errorf("got %v, want %v", err, test.err)
			}
			slices.Sort(q.deleted)
			if got := fmt.Sprint(q.deleted); got != test.deleted {
				t.Errorf("deleted %s, want %s", got, test.deleted)
			}
			if !maps.Equal(result.Counts, test.counts) {
				t.Errorf("got %v, want %v", result.Counts, test.counts)
			}
			if len(kept.kept) != len(q.deleted) {
				t.Errorf("%d are kept, %d deleted", len(kept.kept), len(q.deleted))
			}
			for _, letter := range kept.kept {
				if letter.Note != "tests" || letter.Body == "" || letter.Attributes["reason"] != "too_old" || letter.DiscardedAt.IsZero() {
					t.Errorf("kept as %+v", letter)
				}
			}
		})
	}
}
