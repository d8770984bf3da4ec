package commands_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/billable-events/billable/pkg/escape"
)

// Whatever ids are: outputs have no control characters, and tables are not wider than 100 columns.
func TestOutput_HostileAndLongIDs(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	long := strings.Repeat("i", 300)
	for _, id := range []string{"draft_\x1b[2J\u202e\u009b", long} {
		d.event(id, "e1", "12", "EUR")
		d.reject(id, id, time.Hour)
		d.sendDeadLetter(`{"id":"ev_` + long[:90] + `","event_type":"pending_invoice_created","api_version":"v2","content":{"invoice":{"id":"` + long[:90] + `"}}}`)
		d.sendDeadLetter("\u009b2J\u202e" + long)
		for _, args := range [][]string{{"invoice", "list"}, {"dlq", "list"}, {"dlq", "replay"}, {"sweep"}, {"check"}} {
			_, stdout, _ := d.command(args...)
			for line := range strings.Lines(stdout) {
				if width := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); width > 100 {
					t.Errorf("%q: %d columns: %s", args, width, line)
				}
			}
		}
		for _, args := range [][]string{
			{"invoice", "list"},
			{"invoice", "list", "--state", id},
			{"invoice", "show", id, "--events"},
			{"invoice", "show", id, "--events", "--output", "json"},
			{"invoice", "show", "unknown" + id},
			{"invoice", "plan", id},
			{"invoice", "plan", "unknown" + id},
			{"invoice", "release", id},
			{"invoice", "release", "unknown" + id},
			{"dlq", "list"},
			{"dlq", "list", "--output", "json"},
			{"dlq", "show", id},
			{"dlq", "show", queues.Messages(d.name + "_dead")[1].ID},
			{"sweep"},
			{"pause", "--reason", id, "--yes"},
			{"check"},
			{"resume", "--yes"},
			{id},
		} {
			_, stdout, stderr := d.command(args...)
			if strings.ContainsFunc(strings.ReplaceAll(stdout+stderr, "\n", ""), escape.IsControl) {
				t.Errorf("%q: control characters: %q", args, stdout+stderr)
			}
		}
	}
	if wide := d.must("invoice", "list", "--wide"); !strings.Contains(wide, "  "+long+"  ") {
		t.Errorf("got %s", wide)
	}
}
