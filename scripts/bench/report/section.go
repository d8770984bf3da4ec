// Package report is what all benchmarks share of their reports: tables for a terminal,
// for Markdown and for HTML, and the record of runs, so that each is compared with the
// one before and with the first.
package report

import (
	"fmt"
	"html"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// wrapAt is where long cells are wrapped on a terminal.
const wrapAt = 60

// Section is a part of a report: a title, what there is to know, a table, and pictures.
type Section struct {
	Title    string
	Text     string
	Header   []string
	Rows     [][]string
	Left     int // columns that are words rather than numbers, from the first on; -1: all
	Pictures []Picture
}

// Picture is a file that a page shows, with what it shows.
type Picture struct {
	File string // path as seen from the page
	Text string
}

// table makes a table of the section; wide ones are wrapped for a terminal only.
func (s Section) table(wrap bool) table.Writer {
	writer := table.NewWriter()
	style := table.StyleLight
	style.Format.Header = text.FormatDefault
	writer.SetStyle(style)
	var columns []table.ColumnConfig
	for i := range s.Header {
		column := table.ColumnConfig{Number: i + 1}
		if s.Left >= 0 && i >= s.Left {
			column.Align, column.AlignHeader = text.AlignRight, text.AlignRight
		}
		if wrap {
			column.WidthMax, column.WidthMaxEnforcer = wrapAt, text.WrapSoft
		}
		columns = append(columns, column)
	}
	writer.SetColumnConfigs(columns)
	writer.AppendHeader(cells(s.Header))
	for _, row := range s.Rows {
		writer.AppendRow(cells(row))
	}
	return writer
}

func cells(texts []string) table.Row {
	row := make(table.Row, len(texts))
	for i, text := range texts {
		row[i] = text
	}
	return row
}

// Print writes the section for a terminal.
func (s Section) Print(out io.Writer) error {
	_, err := fmt.Fprintf(out, "\n%s\n%s\n", strings.TrimSpace(s.Title+"\n"+s.Text), s.table(true).Render())
	return err
}

// Markdown is the section for a file.
func (s Section) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n", s.Title)
	if s.Text != "" {
		fmt.Fprintf(&b, "%s\n\n", s.Text)
	}
	fmt.Fprintf(&b, "%s\n", s.table(false).RenderMarkdown())
	for _, picture := range s.Pictures {
		fmt.Fprintf(&b, "\n![%s](%s)\n", picture.Text, picture.File)
	}
	return b.String()
}

// HTML is the section for a page of HTML.
func (s Section) HTML() string {
	var b strings.Builder
	fmt.Fprintf(&b, "<h2>%s</h2>\n", html.EscapeString(s.Title))
	if s.Text != "" {
		fmt.Fprintf(&b, "<p>%s</p>\n", html.EscapeString(s.Text))
	}
	fmt.Fprintf(&b, "%s\n", s.table(false).RenderHTML())
	for _, picture := range s.Pictures {
		fmt.Fprintf(&b, "<p><img src=\"%s\" alt=\"%s\"></p>\n", html.EscapeString(picture.File), html.EscapeString(picture.Text))
	}
	return b.String()
}
