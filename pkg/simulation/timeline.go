package simulation

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Entry is one thing that happened.
type Entry struct {
	At   time.Duration // since the history began
	Who  string
	What string
}

// Timeline is what happened, in order.
type Timeline struct {
	began time.Time

	mu      sync.Mutex
	entries []Entry
}

func (t *Timeline) notef(who, format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries = append(t.entries, Entry{time.Since(t.began), who, fmt.Sprintf(format, args...)})
}

// Entries returns what has happened so far.
func (t *Timeline) Entries() []Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clip(t.entries)
}

// WriteTo writes the timeline for a person, a line per entry.
func (t *Timeline) WriteTo(w io.Writer) (written int64, err error) {
	for _, entry := range t.Entries() {
		n, err := fmt.Fprintf(w, "%s %-14s %s\n", clock(entry.At), entry.Who, readable(entry.What))
		written += int64(n)
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// clock is a time since the beginning, to the millisecond.
func clock(at time.Duration) string {
	at = at.Round(time.Millisecond)
	return fmt.Sprintf("%3d:%02d:%02d.%03d", int(at.Hours()), int(at.Minutes())%60, int(at.Seconds())%60, at.Milliseconds()%1000)
}

// readable writes an event of a pod's log as words: what happened, then what it was
// about.
func readable(what string) string {
	var event map[string]any
	if !strings.HasPrefix(what, "{") || json.Unmarshal([]byte(what), &event) != nil {
		return what
	}
	words := []string{fmt.Sprintf("%v:", event["message"])}
	for _, name := range slices.Sorted(maps.Keys(event)) {
		if name != "message" && name != "level" {
			words = append(words, fmt.Sprintf("%s=%v", name, event[name]))
		}
	}
	return strings.Join(words, " ")
}
