package consumer_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestCheck shows who shares the budget, and that somebody else would have another.
func TestCheck(t *testing.T) {
	d := deploy(t)
	if code, stdout, _ := d.command("check"); code != 1 || !strings.Contains(stdout, "consumer tables create") {
		t.Errorf("without a table: exit code %d\n%s", code, stdout)
	}
	d.must("tables", "create")
	if table := d.must("check"); !strings.Contains(table, "0 processes share") {
		t.Errorf("before the first consumer: got %s", table)
	}

	r := d.start()
	var found struct {
		Findings []struct{ Subject, Level, Finding, Remedy string }
		Shares   []struct {
			Process, State string
			CallsPerMinute float64 `json:"calls_per_minute"`
			Slots          int
		}
	}
	for deadline := time.Now().Add(10 * time.Second); len(found.Shares) == 0 && time.Now().Before(deadline); {
		if err := json.Unmarshal([]byte(d.must("check", "--output", "json")), &found); err != nil {
			t.Fatal(err)
		}
	}
	if len(found.Shares) != 1 || !strings.HasPrefix(found.Shares[0].Process, "pod-") || found.Shares[0].State != "has no work" {
		t.Errorf("got %+v", found)
	}
	if table := d.must("check"); !strings.Contains(table, found.Shares[0].Process) {
		t.Errorf("got %s", table)
	}
	if code := r.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if table := d.must("check"); !strings.Contains(table, "0 processes share") {
		t.Errorf("after the last consumer: got %s", table)
	}
}
