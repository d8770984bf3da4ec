package deadletter_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/queue"
)

// archive keeps dead letters, except one.
type archive struct {
	cannot string // the id of a message

	mu   sync.Mutex
	kept []deadletter.ArchivedMessage
}

var errDisk = errors.New("no space left")

func (a *archive) Add(message deadletter.ArchivedMessage) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if message.MessageID == a.cannot {
		return errDisk
	}
	a.kept = append(a.kept, message)
	return nil
}

func TestDiscarder_Run(t *testing.T) {
	t.Parallel()
	ledger := knowing(
		billing.Record{InvoiceID: "draft_done", State: billing.Finished},
		billing.Record{InvoiceID: "draft_released", State: billing.Rejected, Resume: billing.Claiming},
		billing.Record{InvoiceID: "draft_held", State: billing.Rejected, Resume: billing.Charging},
		billing.Record{InvoiceID: "draft_closing", State: billing.Rejected, Resume: billing.Closing},
		billing.Record{InvoiceID: "draft_releasing", State: billing.Rejected, Resume: billing.Releasing},
		billing.Record{InvoiceID: "draft_working", State: billing.Charging},
		billing.Record{InvoiceID: "draft_decided", State: billing.Rejected, Resume: billing.Settling, Dispositions: "sr", Pages: 2, ProcessedPages: 2},
		billing.Record{InvoiceID: "draft_judged", State: billing.Rejected, Resume: billing.Settling, Dispositions: "sh", Pages: 2, ProcessedPages: 2},
		billing.Record{InvoiceID: "draft_halfway", State: billing.Rejected, Resume: billing.Settling, Dispositions: "sr", Pages: 2, ProcessedPages: 1},
	)
	var messages []queue.Message
	for _, invoice := range []string{"unknown", "done", "released", "held", "closing", "releasing", "working", "decided", "judged", "halfway"} {
		messages = append(messages, deadLetterOf(invoice, "draft_"+invoice))
	}
	messages = append(messages, deadLetterOf("other", "draft_other", "reason", "above_limit"))
	all := deadletter.Filter{Reason: "too_old"}
	for name, test := range map[string]struct {
		options deadletter.DiscardOptions
		cannot  string
		deleted string
		counts  map[deadletter.Action]int
		err     error
	}{
		"what holds no claims": {
			options: deadletter.DiscardOptions{Filter: all, Note: "tests"},
			deleted: "[decided done released unknown]",
			counts:  map[deadletter.Action]int{deadletter.Discarded: 4, deadletter.Refused: 6},
			err:     deadletter.ErrRefused,
		},
		"a dry run": {
			options: deadletter.DiscardOptions{Filter: all, DryRun: true},
			deleted: "[]",
			counts:  map[deadletter.Action]int{deadletter.Discarded: 4, deadletter.Refused: 6},
			err:     deadletter.ErrRefused,
		},
		"what cannot be kept stays": {
			options: deadletter.DiscardOptions{Filter: all, Note: "tests"}, cannot: "done",
			deleted: "[decided released unknown]",
			counts:  map[deadletter.Action]int{deadletter.Discarded: 3, deadletter.Refused: 6, deadletter.Failed: 1},
			err:     deadletter.ErrPartial,
		},
		"without a filter": {deleted: "[]", err: deadletter.ErrNoFilter},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := &queues{dead: slices.Clone(messages)}
			kept := &archive{cannot: test.cannot}
			discarder := &deadletter.Discarder{Queue: deadletter.Queue{Messages: q, Records: ledger, Remover: q, Now: time.Now}, Archive: kept}
			result, err := discarder.Run(t.Context(), test.options, deadletter.Progress{})
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
			for _, message := range kept.kept {
				if message.Note != "tests" || message.Body == "" || message.Attributes["reason"] != "too_old" || message.DiscardedAt.IsZero() {
					t.Errorf("kept as %+v", message)
				}
			}
		})
	}
}

// Copies with other replay counts are discarded too.
func TestDiscarder_AllCopies(t *testing.T) {
	t.Parallel()
	q := &queues{dead: []queue.Message{deadLetterOf("a", "draft_1"), deadLetterOf("b", "draft_1", "replay_count", "1"), deadLetterOf("c", "draft_1", "replay_count", "2")}}
	discarder := &deadletter.Discarder{Queue: deadletter.Queue{Messages: q, Records: knowing(), Remover: q, Now: time.Now}, Archive: &archive{}}
	result, err := discarder.Run(t.Context(), deadletter.DiscardOptions{Filter: deadletter.Filter{Reason: "too_old"}, Note: "tests"}, deadletter.Progress{})
	if err != nil || result.Counts[deadletter.Discarded] != 3 || len(q.deleted) != 3 {
		t.Errorf("%v, %+v, deleted %v", err, result, q.deleted)
	}
}

// releaser releases claims, as far as the invoice allows it. It is a ledger with the rest.
type releaser struct {
	mu       sync.Mutex
	held     map[string]error // what releasing an invoice comes to
	released []string
	kept     *archive // nothing of an invoice may be kept before it is released
}

func (r *releaser) Record(_ context.Context, invoiceID string) (billing.Record, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	record := billing.Record{InvoiceID: invoiceID, State: billing.Rejected, Resume: billing.Claiming}
	if _, holds := r.held[invoiceID]; holds {
		record.Resume = billing.Charging
	}
	return record, true, nil
}

func (r *releaser) Release(_ context.Context, invoiceID string, dryRun bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !dryRun {
		r.released = append(r.released, invoiceID)
	}
	if err := r.held[invoiceID]; err != nil || dryRun {
		return err
	}
	r.kept.mu.Lock()
	defer r.kept.mu.Unlock()
	for _, message := range r.kept.kept {
		if strings.Contains(message.Body, invoiceID+`"`) {
			return errors.New("it was kept before it was released")
		}
	}
	delete(r.held, invoiceID)
	return nil
}

// Claims are released if permitted, once per invoice.
func TestDiscarder_ReleasesFirst(t *testing.T) {
	t.Parallel()
	refused := fmt.Errorf("%w: line 3 may have been added", deadletter.ErrReleaseRefused)
	messages := []queue.Message{
		deadLetterOf("free", "draft_free"), deadLetterOf("held", "draft_held"), deadLetterOf("copy", "draft_held"),
		deadLetterOf("doubt", "draft_doubt"), deadLetterOf("busy", "draft_busy"), deadLetterOf("full", "draft_full"),
	}
	for name, test := range map[string]struct {
		dryRun   bool
		deleted  string
		released string
		counts   map[deadletter.Action]int
		err      error
	}{
		"in earnest": {false, "[copy free held]", "[draft_busy draft_doubt draft_full draft_held]",
			map[deadletter.Action]int{deadletter.Discarded: 3, deadletter.Refused: 1, deadletter.Failed: 2}, deadletter.ErrPartial},
		"a dry run": {true, "[]", "[]", map[deadletter.Action]int{deadletter.Discarded: 4, deadletter.Refused: 1, deadletter.Failed: 1}, deadletter.ErrPartial},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kept := &archive{cannot: "full"}
			ledger := &releaser{kept: kept, held: map[string]error{
				"draft_held": nil, "draft_doubt": refused, "draft_busy": errors.New("the ledger is busy"), "draft_full": nil,
			}}
			q := &queues{dead: messages}
			discarder := &deadletter.Discarder{Queue: deadletter.Queue{Messages: together{q}, Records: ledger, Remover: q, Now: time.Now}, Archive: kept, Releaser: ledger}
			options := deadletter.DiscardOptions{Filter: deadletter.Filter{Reason: "too_old"}, Note: "tests", DryRun: test.dryRun}
			result, err := discarder.Run(t.Context(), options, deadletter.Progress{})
			if result.Counts[deadletter.Released] == 0 {
				t.Errorf("it releases none: %v", result.Counts)
			}
			// A copy is released with its invoice, or finds that released.
			result.Counts[deadletter.Discarded] += result.Counts[deadletter.Released]
			delete(result.Counts, deadletter.Released)
			if !errors.Is(err, test.err) || !maps.Equal(result.Counts, test.counts) {
				t.Errorf("%v, %v", err, result.Counts)
			}
			slices.Sort(q.deleted)
			slices.Sort(ledger.released)
			if fmt.Sprint(q.deleted) != test.deleted || fmt.Sprint(ledger.released) != test.released || len(kept.kept) != len(q.deleted) {
				t.Errorf("deleted %v, kept %d, released %v", q.deleted, len(kept.kept), ledger.released)
			}
			for _, step := range result.Messages {
				if (step.Error != nil) != (step.Action == deadletter.Refused || step.Action == deadletter.Failed) {
					t.Errorf("got %+v", step)
				}
				if step.Action == deadletter.Refused && !strings.Contains(*step.Error, "line 3 may have been added") {
					t.Errorf("refused because of %s", *step.Error)
				}
			}
		})
	}
}

// together shows all dead letters at once.
type together struct{ *queues }

func (q together) Browse(_ context.Context, visit func([]queue.Message) bool) (bool, error) {
	return visit(q.dead), nil
}
