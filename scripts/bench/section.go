package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// wrapAt is where long cells are wrapped on a terminal.
const wrapAt = 60

// section is a part of a report: a title, what there is to know, and a table.
type section struct {
	title  string
	text   string
	header []string
	rows   [][]string
	left   int // columns that are words rather than numbers, from the first on; -1: all
}

// table makes a table of the section; wide ones are wrapped for a terminal only.
func (s section) table(wrap bool) table.Writer {
	writer := table.NewWriter()
	style := table.StyleLight
	style.Format.Header = text.FormatDefault
	writer.SetStyle(style)
	var columns []table.ColumnConfig
	for i := range s.header {
		column := table.ColumnConfig{Number: i + 1}
		if s.left >= 0 && i >= s.left {
			column.Align, column.AlignHeader = text.AlignRight, text.AlignRight
		}
		if wrap {
			column.WidthMax, column.WidthMaxEnforcer = wrapAt, text.WrapSoft
		}
		columns = append(columns, column)
	}
	writer.SetColumnConfigs(columns)
	writer.AppendHeader(cells(s.header))
	for _, row := range s.rows {
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

// print writes the section for a terminal.
func (s section) print(out io.Writer) error {
	_, err := fmt.Fprintf(out, "\n%s\n%s\n", strings.TrimSpace(s.title+"\n"+s.text), s.table(true).Render())
	return err
}

// markdown is the section for a file.
func (s section) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n", s.title)
	if s.text != "" {
		fmt.Fprintf(&b, "%s\n\n", s.text)
	}
	fmt.Fprintf(&b, "%s\n", s.table(false).RenderMarkdown())
	return b.String()
}
