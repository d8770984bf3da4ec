package commands

import (
	"fmt"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/escape"
)

// dryRun is the last line of a dry run, after an empty one.
const dryRun = "Dry run: nothing was changed. Repeat with --yes to apply."

// endDryRun writes the end of a dry run.
func (a *app) endDryRun() error { return a.printLine("\n" + dryRun) }

const none = cli.None

// printLine writes one line of a result. Texts in args cannot add lines.
func (a *app) printLine(format string, args ...any) error {
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = escape.Line(text)
		}
	}
	_, err := fmt.Fprintf(a.process.Stdout, format+"\n", args...)
	return err
}

// writeResult writes the result of a command: as JSON, or else with the given function.
func (a *app) writeResult(result any, asTables func() error) error {
	if a.format == cli.JSON {
		return cli.WriteJSON(a.process.Stdout, result)
	}
	return asTables()
}

// writeListing writes the result of a listing: its rows as CSV, or else as writeResult does.
func writeListing[T any](a *app, listing any, rows []T, asTables func() error) error {
	if a.format == cli.CSV {
		return cli.WriteCSV(a.process.Stdout, rows)
	}
	return a.writeResult(listing, asTables)
}

// writeTable writes one table.
func (a *app) writeTable(columns []cli.Column, rows [][]string) error {
	return cli.WriteTable(a.process.Stdout, a.wide, columns, rows)
}

// writeNextTable writes a table after an empty line.
func (a *app) writeNextTable(columns []cli.Column, rows [][]string) error {
	if err := a.printLine(""); err != nil {
		return err
	}
	return a.writeTable(columns, rows)
}

// writeFacts writes pairs of name and value as a table. Absent values are left out.
func (a *app) writeFacts(facts [][]string) error {
	var rows [][]string
	for _, fact := range facts {
		if fact[1] != "" && fact[1] != none {
			rows = append(rows, fact)
		}
	}
	return a.writeTable([]cli.Column{{Title: "what"}, {Title: "value"}}, rows)
}
