package conformance

import (
	"slices"
	"strings"
	"testing"
)

// Repeatable wants the answers to a script to depend on the seed, and on nothing else:
// play runs the script against a new service of that seed. Every part must occur in
// some answer, or the script is too tame to show it.
func Repeatable(t *testing.T, play func(seed uint64) []string, parts ...string) {
	t.Helper()
	first := play(1)
	for range 3 {
		again := play(1)
		for i := range min(len(first), len(again)) {
			if first[i] != again[i] {
				t.Fatalf("answer %d of %d is\n%s\nwas\n%s", i, len(first), again[i], first[i])
			}
		}
		if len(first) != len(again) {
			t.Fatalf("%d answers, then %d", len(first), len(again))
		}
	}
	if slices.Equal(first, play(2)) {
		t.Error("another seed gives the same answers")
	}
	for _, part := range parts {
		if !slices.ContainsFunc(first, func(answer string) bool { return strings.Contains(answer, part) }) {
			t.Errorf("no answer has %q: the script is too tame", part)
		}
	}
}
