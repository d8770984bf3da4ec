package cli

import (
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"

	"github.com/billable-events/billable/pkg/escape"
)

// Column is one column of a table. Without --wide, long cells wrap.
type Column struct {
	Title string
	Right bool // align right, for numbers
	Wide  bool // only with --wide
	Below bool // on a line of its own below the row, unless --wide; left out if empty
}

const (
	defaultWidth   = 100 // of tables that are not written to a terminal
	minColumnWidth = 4   // on however narrow a terminal
	columnGap      = "  "
)

// WriteTable writes rows under titles, no wider than the terminal unless minColumnWidth makes it wider.
// With wide, each row is one line with all columns.
func WriteTable(w io.Writer, wide bool, columns []Column, rows [][]string) error {
	t := table{available: widthOf(w)}
	if wide {
		t.available = math.MaxInt
	}
	titles := make([]string, len(columns))
	for i, column := range columns {
		titles[i] = strings.ToUpper(column.Title)
		switch {
		case wide, !column.Wide && !column.Below:
			t.shown = append(t.shown, i)
		case column.Below:
			t.below = append(t.below, i)
		}
	}
	t.columns = columns
	t.layOut(append([][]string{titles}, rows...))
	t.writeRow(titles)
	for _, row := range rows {
		t.writeRow(row)
		t.writeBelow(row)
	}
	_, err := io.WriteString(w, t.out.String())
	return err
}

// table is a table while it is laid out.
type table struct {
	columns      []Column
	shown, below []int // indexes of columns
	available    int   // width of the terminal
	widths       []int // of the shown columns
	out          strings.Builder
}

// layOut sets the widths of the columns. If they do not fit, the widest share what the others leave: in
// ascending order of width, each column gets at most an equal part of what is left. The part of the widest
// is the limit of all.
func (t *table) layOut(rows [][]string) {
	t.widths = make([]int, len(t.shown))
	for _, row := range rows {
		for i, column := range t.shown {
			t.widths[i] = max(t.widths[i], displayWidth(escape.Line(row[column])))
		}
	}
	left := t.available - len(columnGap)*(len(t.shown)-1)
	var limit int
	for i, width := range slices.Sorted(slices.Values(t.widths)) {
		limit = max(left/(len(t.widths)-i), minColumnWidth)
		if width > limit {
			break
		}
		left -= width
	}
	for i := range t.widths {
		t.widths[i] = min(t.widths[i], limit)
	}
}

func (t *table) writeRow(row []string) {
	cells, height := make([][]string, len(t.shown)), 1
	for i, column := range t.shown {
		cells[i] = wrap(escape.Line(row[column]), t.widths[i])
		height = max(height, len(cells[i]))
	}
	for number := range height {
		var line strings.Builder
		for i, column := range t.shown {
			var cell string
			if number < len(cells[i]) {
				cell = cells[i][number]
			}
			padding := strings.Repeat(" ", max(t.widths[i]-displayWidth(cell), 0))
			if t.columns[column].Right {
				line.WriteString(padding + cell + columnGap)
			} else {
				line.WriteString(cell + padding + columnGap)
			}
		}
		t.out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

func (t *table) writeBelow(row []string) {
	for _, column := range t.below {
		if row[column] == "" || row[column] == None {
			continue
		}
		for _, line := range wrap(t.columns[column].Title+": "+escape.Line(row[column]), t.available-len(columnGap)) {
			t.out.WriteString(columnGap + line + "\n")
		}
	}
}

// wrap breaks a text into lines that are not wider than width, at spaces if possible.
func wrap(text string, width int) (lines []string) {
	start, used, space := 0, 0, 0
	for i, r := range text {
		if r == ' ' {
			space = i
		}
		used += runeWidths.RuneWidth(r)
		if used <= width || i == start {
			continue
		}
		end, next := i, i
		if space > start {
			end, next = space, space+1 // the space is dropped
		}
		lines = append(lines, text[start:end])
		start, used = next, displayWidth(text[next:i+utf8.RuneLen(r)])
	}
	return append(lines, text[start:])
}

// runeWidths has the display widths of characters, independent of the locale.
var runeWidths = &runewidth.Condition{}

func displayWidth(text string) (width int) {
	for _, r := range text {
		width += runeWidths.RuneWidth(r)
	}
	return width
}

// widthOf returns the width of a terminal, or the default one.
func widthOf(w io.Writer) int {
	if file, ok := terminal(w); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return defaultWidth
}

// terminal returns the terminal that w writes to, if it is one.
func terminal(w io.Writer) (*os.File, bool) {
	if escaped, ok := w.(escape.Writer); ok {
		w = escaped.Out
	}
	file, ok := w.(*os.File)
	return file, ok && term.IsTerminal(int(file.Fd()))
}
