package deadletter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/ratelimit/ratelimittest"
)

// endless is a queue of many dead letters that are made as they are received, with the size of the
// heap after all were visited.
type endless struct {
	count int
	heap  int64
}

func (e *endless) Browse(_ context.Context, visit func([]queue.Message) bool) (bool, error) {
	const usualBody = 5700
	before := heap()
	for i := range e.count {
		invoice := fmt.Sprint("draft_", i)
		message := body(invoice, `,"note":"`+string(bytes.Repeat([]byte("x"), usualBody))+`"`)
		if !visit([]queue.Message{{ID: fmt.Sprint("message_", i), Body: message, Attributes: attributes("reason", "too_old")}}) {
			return false, nil
		}
	}
	e.heap = heap() - before
	return true, nil
}

func (e *endless) Redrive(context.Context, queue.Message) error { return nil }
func (e *endless) Delete(context.Context, queue.Message) error  { return nil }

func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// TestList_KeepsNoBodies: of a visited dead letter only the shown values are kept, and no body.
func TestList_KeepsNoBodies(t *testing.T) {
	const most = 2048 // bytes for a dead letter
	e := &endless{count: 2000}
	box := deadletter.Queue{Messages: e, Records: knowing(), Remover: e, Now: time.Now}
	for name, run := range map[string]func() error{
		"list": func() error {
			_, err := deadletter.List(t.Context(), e, knowing(), deadletter.Filter{}, time.Now())
			return err
		},
		"replay": func() error {
			replayer := &deadletter.Replayer{Queue: box, Source: e, RateLimit: &ratelimittest.Store{}, RequestsPerMinute: 1e9}
			_, err := replayer.Run(t.Context(), deadletter.ReplayOptions{}, deadletter.Progress{})
			return err
		},
		"discard, refused": func() error {
			box := box
			box.Records = heads(func(string) (billing.Record, bool, error) { return billing.Record{State: billing.Charging}, true, nil })
			discarder := &deadletter.Discarder{Queue: box, Archive: &archive{}}
			_, err := discarder.Run(t.Context(), deadletter.DiscardOptions{Filter: deadletter.Filter{Reason: "too_old"}}, deadletter.Progress{})
			return err
		},
	} {
		if err := run(); err != nil && !errors.Is(err, deadletter.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
		if e.heap > int64(e.count*most) {
			t.Errorf("%s: %d letters hold %d bytes", name, e.count, e.heap)
		}
		t.Logf("%s: %d bytes for each letter", name, e.heap/int64(e.count))
	}
}
