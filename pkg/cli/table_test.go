package cli_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
	"github.com/spf13/pflag"

	"github.com/billable-events/billable/pkg/cli"
)

func render(t *testing.T, columns []cli.Column, rows ...[]string) string {
	t.Helper()
	var out strings.Builder
	if err := cli.WriteTable(&out, false, columns, rows); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// lines puts the lines of a table together: no line may end in a space.
func lines(lines ...string) string { return strings.Join(lines, "\n") + "\n" }

func TestWriteTable(t *testing.T) {
	t.Parallel()
	two := []cli.Column{{Title: "name"}, {Title: "count", Right: true}, {Title: "note"}}
	three := []cli.Column{{Title: "id"}, {Title: "text"}, {Title: "owner", Wide: true}, {Title: "solution", Below: true}}
	words, long := strings.TrimSpace(strings.Repeat("four ", 30)), strings.Repeat("a", 300)
	for name, test := range map[string]struct {
		columns []cli.Column
		rows    [][]string
		want    string
	}{
		"no rows":              {two, nil, lines("NAME  COUNT  NOTE")},
		"text left, right":     {two, [][]string{{"a", "1", "x"}, {"longer", "1000000", "y"}}, lines("NAME      COUNT  NOTE", "a             1  x", "longer  1000000  y")},
		"numbers by the title": {[]cli.Column{{Title: "id"}, {Title: "n", Right: true}}, [][]string{{"7", "7"}, {"1234", "1234"}}, lines("ID       N", "7        7", "1234  1234")},
		"words wrap":           {two, [][]string{{"a", "1", words}}, lines("NAME  COUNT  NOTE", "a         1  "+words[:84], strings.Repeat(" ", 13)+words[85:])},
		"an id wraps":          {two, [][]string{{long, "1", "x"}}, lines("NAME"+strings.Repeat(" ", 83)+"  COUNT  NOTE", long[:87]+"      1  x", long[:87], long[:87], long[:39])},
		"two ids share":        {[]cli.Column{{Title: "a"}, {Title: "b"}}, [][]string{{long[:60], long[:60]}}, lines("A"+strings.Repeat(" ", 50)+"B", long[:49]+"  "+long[:49], long[:11]+strings.Repeat(" ", 40)+long[:11])},
		"an odd rest":          {two, [][]string{{long[:60], "1", long[:60]}}, lines("NAME"+strings.Repeat(" ", 41)+"  COUNT  NOTE", long[:45]+"      1  "+long[:45], long[:15]+strings.Repeat(" ", 39)+long[:15])},
		"an empty cell":        {two, [][]string{{"", "", "x"}, {"", "", ""}}, lines("NAME  COUNT  NOTE", "             x", "")},
		"wide characters":      {two, [][]string{{"日本語", "1", "x"}, {"ab", "2", "y"}}, lines("NAME    COUNT  NOTE", "日本語      1  x", "ab          2  y")},
		"wide, wrapped":        {[]cli.Column{{Title: "id"}}, [][]string{{"a" + strings.Repeat("語", 60)}}, lines("ID", "a"+strings.Repeat("語", 49), strings.Repeat("語", 11))},
		"combining marks":      {two, [][]string{{"e\u0301", "1", "x"}, {"ab", "2", "y"}}, lines("NAME  COUNT  NOTE", "e\u0301         1  x", "ab        2  y")},
		"below":                {three, [][]string{{"a", "x", "me", "do this"}, {"b", "y", "you", ""}, {"c", "z", "", "-"}}, lines("ID  TEXT", "a   x", "  solution: do this", "b   y", "c   z")},
		"below, wrapped":       {three, [][]string{{"a", "x", "", words}}, lines("ID  TEXT", "a   x", "  solution: "+words[:84], "  "+words[85:])},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := render(t, test.columns, test.rows...); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
	var wide strings.Builder
	if err := cli.WriteTable(&wide, true, three, [][]string{{long, "x", "me", words}}); err != nil {
		t.Fatal(err)
	}
	want := lines("ID"+strings.Repeat(" ", 298)+"  TEXT  OWNER  SOLUTION", long+"  x     me     "+words)
	if wide.String() != want {
		t.Errorf("wide: got\n%s", &wide)
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
			wantHarmless(t, render(t, []cli.Column{{Title: "id"}, {Title: "name", Below: true}}, []string{value, value}, []string{"a", "b"}))
		})
	}
}

func FuzzWriteTable(f *testing.F) {
	for _, value := range hostile {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		wantHarmless(t, render(t, []cli.Column{{Title: "id"}, {Title: "name", Right: true}, {Title: "detail", Below: true}}, []string{value, value, value}))
	})
}

func wantHarmless(t *testing.T, table string) {
	t.Helper()
	for line := range strings.Lines(table) {
		if width := (&runewidth.Condition{}).StringWidth(strings.TrimSuffix(line, "\n")); width > 100 {
			t.Errorf("%d columns: %q", width, line)
		}
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
	if err := cli.WriteTable(full{}, false, []cli.Column{{Title: "id"}}, nil); !errors.Is(err, errFull) {
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

func TestFormatVar(t *testing.T) {
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
		flags := pflag.NewFlagSet("list", pflag.ContinueOnError)
		flags.SetOutput(io.Discard)
		cli.FormatVar(flags, &format, cli.Table, cli.JSON)
		err := flags.Parse([]string{"--output=" + value})
		switch {
		case want == "" && err == nil:
			t.Errorf("%q was accepted", value)
		case want == "" && (format != cli.Table || !strings.Contains(err.Error(), "table, json")):
			t.Errorf("%q: it became %s: %v", value, format, err)
		case want != "" && (err != nil || format != want):
			t.Errorf("%q: got %s, %v", value, format, err)
		}
	}
}
