package cli_test

import (
	"errors"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/billable-events/billable/pkg/cli"
)

func TestMain(m *testing.M) {
	text.OverrideRuneWidthEastAsianWidth(false) // the width of "…" depends on the locale
	os.Exit(m.Run())
}

func render(t *testing.T, columns []cli.Column, rows ...[]string) string {
	t.Helper()
	var out strings.Builder
	if err := cli.WriteTable(&out, columns, rows); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// lines puts the lines of a table together: no line may end in a space.
func lines(lines ...string) string { return strings.Join(lines, "\n") + "\n" }

func TestWriteTable(t *testing.T) {
	t.Parallel()
	two := []cli.Column{{Title: "name"}, {Title: "count", Right: true}, {Title: "note", Width: 6}}
	for name, test := range map[string]struct {
		columns []cli.Column
		rows    [][]string
		want    string
	}{
		"no rows":              {two, nil, lines("NAME  COUNT  NOTE")},
		"text left, right":     {two, [][]string{{"a", "1", "x"}, {"longer", "1000000", "y"}}, lines("NAME      COUNT  NOTE", "a             1  x", "longer  1000000  y")},
		"numbers by the title": {[]cli.Column{{Title: "id"}, {Title: "n", Right: true}}, [][]string{{"7", "7"}, {"1234", "1234"}}, lines("ID       N", "7        7", "1234  1234")},
		"cut to the width":     {two, [][]string{{"a", "1", "123456"}, {"b", "2", "1234567"}}, lines("NAME  COUNT  NOTE", "a         1  123456", "b         2  12345…")},
		"others are not cut":   {two, [][]string{{strings.Repeat("a", 300), "1", ""}}, lines("NAME"+strings.Repeat(" ", 298)+"COUNT  NOTE", strings.Repeat("a", 300)+"      1")},
		"an empty cell":        {two, [][]string{{"", "", "x"}, {"", "", ""}}, lines("NAME  COUNT  NOTE", "             x", "")},
		"wide characters":      {two, [][]string{{"日本語", "1", "x"}, {"ab", "2", "y"}}, lines("NAME    COUNT  NOTE", "日本語      1  x", "ab          2  y")},
		"wide, cut":            {two, [][]string{{"a", "1", "日本語"}, {"b", "2", "日本語x"}, {"c", "3", "x日本語"}}, lines("NAME  COUNT  NOTE", "a         1  日本語", "b         2  日本…", "c         3  x日本…")},
		"combining marks":      {two, [][]string{{"e\u0301", "1", "x"}, {"ab", "2", "y"}}, lines("NAME  COUNT  NOTE", "e\u0301         1  x", "ab        2  y")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := render(t, test.columns, test.rows...); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// hostile are texts that would do something to a screen.
var hostile = map[string]string{
	"a colour":              "\x1b[31mred\x1b[0m",
	"a cleared screen":      "\x1b[2J\x1b[H",
	"a title":               "\x1b]0;owned\x07",
	"a link":                "\x1b]8;;https://example.com\x1b\\click\x1b]8;;\x1b\\",
	"an escape of one byte": "\u009b31m",
	"a carriage return":     "paid\rvoid",
	"a new line":            "a\nNAME  fake",
	"other line ends":       "a\u0085b\u2028c\u2029d\vd\fe",
	"a tab":                 "a\tb",
	"a bell, a backspace":   "a\a\b\b\x7f",
	"a NUL":                 "a\x00b",
	"text turned around":    "\u202eetelpmoc\u202c \u2066x\u2069 \u200e\u200f\u061c",
	"bytes that are none":   "\xff\xfe\x9b\xc3",
	"half an escape":        "\x1b[",
}

// A cell is one line without control characters.
func TestWriteTable_ControlCharacters(t *testing.T) {
	t.Parallel()
	for name, value := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantHarmless(t, render(t, []cli.Column{{Title: "id"}, {Title: "name", Width: 12}}, []string{value, value}, []string{"a", "b"}), 3)
		})
	}
}

func FuzzWriteTable(f *testing.F) {
	for _, value := range hostile {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		wantHarmless(t, render(t, []cli.Column{{Title: "id"}, {Title: "name", Width: 5, Right: true}}, []string{value, value}), 2)
	})
}

func wantHarmless(t *testing.T, table string, lines int) {
	t.Helper()
	if got := strings.Count(table, "\n"); got != lines {
		t.Errorf("%d lines, want %d: %q", got, lines, table)
	}
	if !utf8.ValidString(table) {
		t.Errorf("no valid text: %q", table)
	}
	for _, r := range table {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029') {
			t.Errorf("%U is in %q", r, table)
		}
	}
}

// full is a disk without room.
type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWrite_Errors(t *testing.T) {
	t.Parallel()
	if err := cli.WriteTable(full{}, []cli.Column{{Title: "id"}}, nil); !errors.Is(err, errFull) {
		t.Errorf("table: got %v", err)
	}
	if err := cli.WriteJSON(full{}, 1); !errors.Is(err, errFull) {
		t.Errorf("JSON: got %v", err)
	}
	if err := cli.WriteJSON(io.Discard, func() {}); err == nil {
		t.Error("a function was written as JSON")
	}
}

// The result is one document with a newline at the end, without HTML escapes. JSON escapes control
// characters.
func TestWriteJSON(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := cli.WriteJSON(&out, map[string]any{"a": "<&>", "b": []int{}, "c": "\x1b[31m\u2028", "d": nil}); err != nil {
		t.Fatal(err)
	}
	const want = `{
  "a": "<&>",
  "b": [],
  "c": "\u001b[31m\u2028",
  "d": null
}
`
	if out.String() != want {
		t.Errorf("got %s", &out)
	}
}

func TestFormat_Set(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]cli.Format{
		"table": cli.Table,
		"json":  cli.JSON,
		"":      "",
		"JSON":  "",
		"xml":   "",
		"json,": "",
	} {
		format := cli.Table
		flags := flag.NewFlagSet("list", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		flags.Var(&format, "output", "form of the result")
		err := flags.Parse([]string{"--output=" + value})
		switch {
		case want == "" && err == nil:
			t.Errorf("%q was accepted", value)
		case want == "" && (format != cli.Table || !strings.Contains(err.Error(), "table, json")):
			t.Errorf("%q: it became %s: %v", value, format, err)
		case want != "" && (err != nil || format != want || format.String() != value):
			t.Errorf("%q: got %s, %v", value, format, err)
		}
	}
}

// Help and errors list all formats.
func TestFormat_Names(t *testing.T) {
	t.Parallel()
	var names []string
	for _, format := range cli.Formats {
		names = append(names, string(format))
	}
	var format cli.Format
	if want := strings.Join(names, "|"); format.Type() != want {
		t.Errorf("help says %s, want %s", format.Type(), want)
	}
	if err := format.Set("x"); err == nil || !strings.Contains(err.Error(), strings.Join(names, ", ")) {
		t.Errorf("the error is %v", err)
	}
}

func TestEscaped(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"":                                "",
		"plain\ttext,\nü €\n":             "plain\ttext,\nü €\n",
		"\x1b[2J\r\x00\x7f":               `\x1b[2J\r\x00\x7f`,
		"\u009b2J \u202eturned\u2028":     `\u009b2J \u202eturned\u2028`,
		"no text \xff, but \ufffd":        "no text \\xff, but \ufffd",
		`a \ and a "quote" are no danger`: `a \ and a "quote" are no danger`,
	} {
		if got := cli.Escaped(given); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
}
