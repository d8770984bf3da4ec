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

// Format is the format of a result.
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

// Set parses the value of a flag.
func (f *Format) Set(value string) error {
	if !slices.Contains(Formats, Format(value)) {
		return fmt.Errorf("invalid value %q: must be one of table, json", value)
	}
	*f = Format(value)
	return nil
}

// Type returns the placeholder of the value in the help.
func (f *Format) Type() string { return "table|json" }

// WriteJSON writes the value as an indented document.
func WriteJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// Column is one column of a table.
type Column struct {
	Title string
	Right bool // align right, for numbers
	Width int  // maximum; 0: none
}

// WriteTable writes rows under titles, without borders.
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

// Escaped escapes control characters and invalid UTF-8 in a text of several lines, in the syntax of Go.
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

// isControl reports whether a terminal would execute a character instead of showing it.
func isControl(character rune) bool {
	return unicode.In(character, unicode.Cc, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
}

// printable replaces control characters by spaces.
func printable(value string) string {
	return strings.Map(func(r rune) rune {
		if isControl(r) {
			return ' '
		}
		return r
	}, value)
}
