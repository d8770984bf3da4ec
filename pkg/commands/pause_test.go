package commands_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// No call is made during a pause, and the message stays in the queue.
func TestPause_StopsCalls(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	d.event("sub_paused", "e1", "12", "EUR")
	_, body := d.renew("sub_paused")
	expect := func(want string, args ...string) {
		t.Helper()
		if got := d.must(args...); !strings.Contains(got, want) {
			t.Errorf("consumer %s: got %q, want %q", strings.Join(args, " "), got, want)
		}
	}
	if code, _, stderr := d.command("pause", "--yes"); code != 2 || !strings.Contains(stderr, "missing --reason") {
		t.Errorf("without a reason: exit code %d, %s", code, stderr)
	}
	expect("Calls are not paused.", "resume", "--yes")
	expect("Dry run: nothing was changed.", "pause", "--reason", "a price is wrong")
	expect("Calls are not paused.", "resume")
	expect("Paused: all processes stop", "pause", "--reason", "a price is wrong", "--yes")
	for _, args := range [][]string{{}, {"--yes"}} {
		if code, _, stderr := d.command(append([]string{"pause", "--reason", "another"}, args...)...); code != 1 || !strings.Contains(stderr, "calls are already paused") || !strings.Contains(stderr, "a price is wrong") {
			t.Errorf("another pause: exit code %d, %s", code, stderr)
		}
	}

	r := d.start()
	d.send(body)
	d.eventually(func() bool {
		status, text := r.get(t, "/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(text, "a price is wrong")
	}, "it is not ready, and says why")
	d.eventually(func() bool {
		_, text := r.get(t, "/metrics")
		return strings.Contains(text, "billable_ratelimit_paused 1")
	}, "the metrics show it")
	expect("calls are paused by an operator", "check")
	if got := len(queues.Messages(d.name)); got != 1 {
		t.Errorf("%d messages are in the queue", got)
	}
	if _, text := r.get(t, "/metrics"); !strings.Contains(text, "billable_ratelimit_permits_total 0") {
		t.Error("it called Chargebee")
	}

	expect("Dry run: nothing was changed.", "resume")
	expect("Resumed: all processes call Chargebee again", "resume", "--yes")
	if entry := r.await(t, "message handled"); entry["outcome"] != "closed" {
		t.Errorf("got %v", entry)
	}
	if code := r.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// eventually waits for what other processes bring about.
func (d *deployment) eventually(holds func() bool, what string) {
	d.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatalf("after 15 s: %s", what)
		}
	}
}
