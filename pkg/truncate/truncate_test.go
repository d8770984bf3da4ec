package truncate_test

import (
	"testing"

	"github.com/billable-events/billable/pkg/truncate"
)

func TestBytes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text     string
		maxBytes int
		want     string
	}{
		"shorter":            {"abc", 4, "abc"},
		"exact":              {"abc", 3, "abc"},
		"longer":             {"abc", 2, "ab"},
		"between characters": {"aü", 2, "a"},
		"before the first":   {"😀", 3, ""},
		"nothing":            {"abc", 0, ""},
		"negative":           {"abc", -1, ""},
		"empty":              {"", -1, ""},
	} {
		if got := truncate.Bytes(test.text, test.maxBytes); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}
