package escape_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/billable-events/billable/pkg/escape"
)

func TestText(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"":                                "",
		"plain\ttext,\nü €\n":             "plain\ttext,\nü €\n",
		"\x1b[2J\r\x00\x7f":               `\u001b[2J\u000d\u0000\u007f`,
		"\u009b2J \u202eturned\u2028":     `\u009b2J \u202eturned\u2028`,
		"no text \xff, but \ufffd":        "no text \\xff, but \ufffd",
		`a \ and a "quote" are no danger`: `a \ and a "quote" are no danger`,
	} {
		if got := escape.Text(given); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
		var out bytes.Buffer
		if n, err := (escape.Writer{Out: &out}).Write([]byte(given)); err != nil || n != len(given) || out.String() != want {
			t.Errorf("%q: wrote %q, %d, %v", given, &out, n, err)
		}
	}
	if got := escape.Line("a\nb\tc\x1b\xff"); got != "a b c\\u001b\ufffd" {
		t.Errorf("got %q", got)
	}
}

// JSON has the same values when it is escaped.
func TestWriter_JSON(t *testing.T) {
	t.Parallel()
	const value = "\x1b\x7f\u009b\u202e\u2028 ü\n\t\"\\"
	var out bytes.Buffer
	if err := json.NewEncoder(escape.Writer{Out: &out}).Encode(value); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got != value {
		t.Errorf("got %q, %v", got, err)
	}
	if bytes.ContainsFunc(bytes.TrimSpace(out.Bytes()), escape.IsControl) {
		t.Errorf("wrote %q", &out)
	}
}

func TestWriter_Error(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"plain", "\x1b"} {
		if _, err := (escape.Writer{Out: failing{}}).Write([]byte(text)); !errors.Is(err, errFull) {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

var errFull = errors.New("no space left")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errFull }
