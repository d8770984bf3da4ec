package sqsqueue

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/billable-events/billable/pkg/truncate"
)

// SQS accepts every sanitized detail.
func FuzzDetail(f *testing.F) {
	f.Add("plain", 3)
	f.Add("a\x00\xff\uFFFE\uFFFF\U0001F600", 7)
	f.Fuzz(func(t *testing.T, text string, most int) {
		detail := truncate.Bytes(sanitize(text), most)
		if len(detail) > max(most, 0) || !utf8.ValidString(detail) {
			t.Errorf("%q became %q", text, detail)
		}
		if strings.ContainsFunc(detail, func(r rune) bool {
			return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
		}) {
			t.Errorf("%q became %q", text, detail)
		}
		if accepted := sanitize(text); len(accepted) <= most && detail != accepted {
			t.Errorf("%q was cut to %q", accepted, detail)
		}
	})
}
