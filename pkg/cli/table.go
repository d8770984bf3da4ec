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
	Right bool // the cells are aligned to the right, for numbers
	Wide  bool // the column is shown only with --wide
	Below bool // without --wide, the cell is below its row; it is left out if it is empty or None
}

const (
	defaultWidth   = 100 // of tables that are not written to a terminal
	minColumnWidth = 4   // of columns with longer cells, also if the table is then wider than the terminal
	columnGap      = "  "
)

// WriteTable writes rows under the titles of the columns, in the width of the terminal if minColumnWidth permits.
// With wide, each row is one line of any width, with all columns.
func WriteTable(w io.Writer, wide bool, columns []Column, rows [][]string) error {
	t := table{columns: columns, maxWidth: widthOf(w)}
	if wide {
		t.maxWidth = math.MaxInt
	}
	titles := make([]string, len(columns))
	for i, column := range columns {
		titles[i] = strings.ToUpper(column.Title)
		switch {
		case column.Below && !wide:
			t.below = append(t.below, i)
		case wide || !column.Wide:
			t.shown = append(t.shown, i)
		}
	}
	t.layOut(append([][]string{titles}, rows...))
	t.writeRow(titles)
	for _, row := range rows {
		t.writeRow(row)
		t.writeBelow(row)
	}
	_, err := io.WriteString(w, t.out.String())
	return err
}

// table is a table that is being written.
type table struct {
	columns      []Column
	shown, below []int // indexes of columns
	maxWidth     int   // of the table
	widths       []int // of the shown columns
	out          strings.Builder
}

// layOut sets the width of each shown column: that of its longest cell, or a limit if that is lower. Columns that are
// wider than the limit share equally what the others leave. For example, if a table has space for cells of 45
// characters, and the longest cells of its columns have 5, 40 and 30, the limit is (45 - 5) / 2 = 20.
func (t *table) layOut(rows [][]string) {
	t.widths = make([]int, len(t.shown))
	for _, row := range rows {
		for i, column := range t.shown {
			t.widths[i] = max(t.widths[i], displayWidth(escape.Line(row[column])))
		}
	}
	left := t.maxWidth - len(columnGap)*(len(t.shown)-1)
	var limit int
	for i, width := range slices.Sorted(slices.Values(t.widths)) { // the narrowest first
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

// writeRow writes the shown cells of a row, in the number of lines that the highest cell has.
func (t *table) writeRow(row []string) {
	cells, height := make([][]string, len(t.shown)), 1 // the lines of each cell
	for i, column := range t.shown {
		cells[i] = wrap(escape.Line(row[column]), t.widths[i])
		height = max(height, len(cells[i]))
	}
	for lineIndex := range height {
		var line strings.Builder
		for i, column := range t.shown {
			var text string
			if lineIndex < len(cells[i]) {
				text = cells[i][lineIndex]
			}
			padding := strings.Repeat(" ", max(t.widths[i]-displayWidth(text), 0))
			if t.columns[column].Right {
				line.WriteString(padding + text + columnGap)
			} else {
				line.WriteString(text + padding + columnGap)
			}
		}
		t.out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// writeBelow writes the cells that are below their row, each with its title.
func (t *table) writeBelow(row []string) {
	for _, column := range t.below {
		if row[column] == "" || row[column] == None {
			continue
		}
		for _, line := range wrap(t.columns[column].Title+": "+escape.Line(row[column]), t.maxWidth-len(columnGap)) {
			t.out.WriteString(columnGap + line + "\n")
		}
	}
}

// wrap breaks a text into lines that are not wider than width, at spaces if possible. A line has at least one
// character. The text must be valid UTF-8.
func wrap(text string, width int) (lines []string) {
	start, lastSpace, lineWidth := 0, 0, 0 // start and lastSpace are indexes of text
	for i, r := range text {
		if r == ' ' {
			lastSpace = i
		}
		lineWidth += runeWidths.RuneWidth(r)
		if lineWidth <= width || i == start {
			continue
		}
		end, next := i, i
		if lastSpace > start {
			end, next = lastSpace, lastSpace+1 // the space is dropped
		}
		lines = append(lines, text[start:end])
		start, lineWidth = next, displayWidth(text[next:i+utf8.RuneLen(r)])
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

// widthOf returns the width of the terminal that w writes to, or defaultWidth.
func widthOf(w io.Writer) int {
	if file, ok := terminal(w); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return defaultWidth
}

// terminal returns the terminal that w writes to. ok is false if w does not write to a terminal.
func terminal(w io.Writer) (file *os.File, ok bool) {
	if escaped, ok := w.(escape.Writer); ok {
		w = escaped.Out
	}
	file, ok = w.(*os.File)
	return file, ok && term.IsTerminal(int(file.Fd()))
}
