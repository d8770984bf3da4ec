package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Format is the form of a result.
type Format string

// The formats.
const (
	Table Format = "table"
	JSON  Format = "json"
)

// Formats lists the formats.
var Formats = []Format{Table, JSON}

// String returns the format's name.
func (f *Format) String() string { return string(*f) }

// Set reads a format, as the value of a flag.
func (f *Format) Set(value string) error {
	if !slices.Contains(Formats, Format(value)) {
		return fmt.Errorf("%q is none of table, json", value)
	}
	*f = Format(value)
	return nil
}

// Type names the value of a flag in its help.
func (f *Format) Type() string { return "table|json" }

// WriteJSON writes the value as one indented document.
func WriteJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// Column is one column of a table.
type Column struct {
	Title string
	Right bool // align to the right: numbers
	Width int  // cut longer texts; 0: never
}

// WriteTable writes rows under titles, without lines around them.
func WriteTable(w io.Writer, columns []Column, rows [][]string) error {
	writer := table.NewWriter()
	writer.SetStyle(table.Style{
		Box:     table.BoxStyle{PaddingRight: "  ", UnfinishedRow: " …"},
		Options: table.Options{},
		Format:  table.FormatOptions{Header: text.FormatUpper},
	})
	configs := make([]table.ColumnConfig, len(columns))
	header := make(table.Row, len(columns))
	for i, column := range columns {
		header[i] = column.Title
		configs[i] = table.ColumnConfig{Number: i + 1, WidthMax: column.Width, WidthMaxEnforcer: cut}
		if column.Right {
			configs[i].Align, configs[i].AlignHeader = text.AlignRight, text.AlignRight
		}
	}
	writer.SetColumnConfigs(configs)
	writer.AppendHeader(header)
	for _, row := range rows {
		cells := make(table.Row, len(row))
		for i, cell := range row {
			cells[i] = printable(cell)
		}
		writer.AppendRow(cells)
	}
	for line := range strings.Lines(writer.Render()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

func cut(value string, width int) string { return text.Snip(value, width, "…") }

// Escaped is a text of several lines in which nothing moves the cursor, colours the screen
// or turns the direction of what follows: such characters, and bytes that are no text, are
// shown as Go writes them.
func Escaped(value string) string {
	var escaped strings.Builder
	for len(value) > 0 {
		character, size := utf8.DecodeRuneInString(value)
		switch part := value[:size]; {
		case character == '\n' || character == '\t':
			escaped.WriteString(part)
		case character == utf8.RuneError && size == 1, isControl(character):
			quoted := strconv.QuoteToASCII(part)
			escaped.WriteString(quoted[1 : len(quoted)-1])
		default:
			escaped.WriteString(part)
		}
		value = value[size:]
	}
	return escaped.String()
}

// moves tells whether a character does more than to be shown.
func isControl(character rune) bool {
	return unicode.In(character, unicode.Cc, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
}

// printable keeps what others wrote from moving the cursor, colouring the screen or
// turning the direction of what follows.
func printable(value string) string {
	return strings.Map(func(r rune) rune {
		if isControl(r) {
			return ' '
		}
		return r
	}, value)
}
