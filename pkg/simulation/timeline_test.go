package simulation_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// timeline records what happens in a scenario, in order.
type timeline struct {
	began time.Time

	mu      sync.Mutex
	entries []entry
}

type entry struct {
	at     time.Duration // since the scenario began
	source string        // a process
	text   string
}

func (t *timeline) logf(source, format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries = append(t.entries, entry{time.Since(t.began), source, fmt.Sprintf(format, args...)})
}

// String returns a line: the time to the millisecond, the source and the text. Of a line of a
// pod's log it has the message first, then the fields.
func (e entry) String() string {
	at, text := e.at.Round(time.Millisecond), e.text
	var logged map[string]any
	if strings.HasPrefix(text, "{") && json.Unmarshal([]byte(text), &logged) == nil {
		text = fmt.Sprintf("%v:", logged["message"])
		for _, name := range slices.Sorted(maps.Keys(logged)) {
			if name != "message" && name != "level" {
				text += fmt.Sprintf(" %s=%v", name, logged[name])
			}
		}
	}
	return fmt.Sprintf("%3d:%02d:%02d.%03d %-14s %s", int(at.Hours()), int(at.Minutes())%60, int(at.Seconds())%60, at.Milliseconds()%1000, e.source, text)
}
