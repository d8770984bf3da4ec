package commands_test

import (
	"strings"
	"testing"
)

// Swapped queues are refused before any message is received.
func TestRun_RefusesSwappedQueues(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.environ = append(d.environ, "BILLABLE_QUEUE_URL="+d.deadURL(), "BILLABLE_QUEUE_DEAD_LETTER_URL="+d.queueURL)
	code, _, stderr := d.command("run")
	if code != 2 || !strings.Contains(stderr, "queue.url and queue.dead_letter_url are swapped") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// Any other error in the set-up of the queues is logged with its solution, and the consumer runs.
func TestRun_LogsErrorsOfQueues(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.set(d.queueURL, "RedrivePolicy", "")
	r := d.start()
	if code := r.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if got := r.log.text.String(); !strings.Contains(got, `"name":"redrive_policy_missing"`) {
		t.Errorf("the missing redrive policy is not logged:\n%s", got)
	}
}
