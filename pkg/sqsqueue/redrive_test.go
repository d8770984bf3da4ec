package sqsqueue_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

// TestRedrive puts a deadLetter back as it was before it failed, but for the count.
func TestSender_Redrive(t *testing.T) {
	t.Parallel()
	full := map[string]string{"reason": "too_old", "detail": "d", "failed_at": "2026-01-01T00:00:00Z", "event_id": "ev_1"}
	crowded := map[string]string{"event_id": "ev_1"}
	for i := range 9 {
		crowded[fmt.Sprintf("theirs_%d", i)] = "x"
	}
	for name, test := range map[string]struct {
		attributes map[string]string
		want       map[string]string
	}{
		"after a dead letter":  {full, map[string]string{"event_id": "ev_1", "replay_count": "1"}},
		"again":                {map[string]string{"replay_count": "4", "reason": "too_old"}, map[string]string{"replay_count": "5"}},
		"moved by the queue":   {map[string]string{"event_id": "ev_1", "traceparent": "00-1"}, map[string]string{"event_id": "ev_1", "traceparent": "00-1", "replay_count": "1"}},
		"without attributes":   {nil, map[string]string{"replay_count": "1"}},
		"another's count":      {map[string]string{"replay_count": "often"}, map[string]string{"replay_count": "1"}},
		"no room for one more": {crowded, map[string]string{"event_id": "ev_1", "replay_count": "1", "theirs_0": "x", "theirs_1": "x", "theirs_2": "x", "theirs_3": "x", "theirs_4": "x", "theirs_5": "x", "theirs_6": "x", "theirs_7": "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			deadLetter := queue.Message{ID: "m", Body: []byte(`{"id":"ev_1"}`), Attributes: maps.Clone(test.attributes), GroupID: "cust_1"}
			if err := sqsqueue.NewSender(b.client, b.url, nil).Redrive(t.Context(), deadLetter); err != nil {
				t.Fatal(err)
			}
			messages, err := sqsqueue.NewQueue(b.client, b.url, 0).Receive(t.Context(), 1)
			if err != nil || len(messages) != 1 {
				t.Fatalf("%v, %v", messages, err)
			}
			if got := messages[0]; !maps.Equal(got.Attributes, test.want) || string(got.Body) != string(deadLetter.Body) || got.GroupID != deadLetter.GroupID {
				t.Errorf("got %v %s, want %v", slices.Sorted(maps.Keys(got.Attributes)), got.Body, slices.Sorted(maps.Keys(test.want)))
			}
			if !maps.Equal(deadLetter.Attributes, test.attributes) {
				t.Error("the deadLetter itself was changed")
			}
		})
	}
}
