package webhook

import (
	"net/http"
	"regexp"
	"testing"
)

var version00 = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// FuzzTraceParent holds that whatever becomes a message attribute is a traceparent.
func FuzzTraceParent(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Add("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more")
	f.Add("00-00000000000000000000000000000000-b7ad6b7169203331-01")
	f.Fuzz(func(t *testing.T, text string) {
		parent := traceParent(http.Header{"Traceparent": {text}})
		if parent != "" && !version00.MatchString(parent) {
			t.Errorf("%q became %q", text, parent)
		}
		if again := traceParent(http.Header{"Traceparent": {parent}}); again != parent {
			t.Errorf("%q became %q", parent, again)
		}
	})
}
