package commands

import (
	"fmt"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/escape"
)

// The functions below write to the standard output. Their first error is the error of the command: root returns it.

// printLinef writes one line of a result. Texts in args cannot add lines.
func (a *app) printLinef(format string, args ...any) {
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = escape.Line(text)
		}
	}
	_, err := fmt.Fprintf(a.process.Stdout, format+"\n", args...)
	a.recordWrite(err)
}

func (a *app) recordWrite(err error) {
	if a.writeErr == nil {
		a.writeErr = err
	}
}

// printDryRun writes an empty line and the last line of a dry run.
func (a *app) printDryRun() {
	a.printLinef("\nDry run: nothing was changed. Repeat with --yes to apply.")
}

// writeResult writes the result of a command: as JSON, or else with the given function.
func (a *app) writeResult(result any, asTables func()) {
	if a.format == cli.JSON {
		a.recordWrite(cli.WriteJSON(a.process.Stdout, result))
		return
	}
	asTables()
}

// writeListing writes the result of a listing: its rows as CSV, or else as writeResult does.
func writeListing[T any](a *app, listing any, rows []T, asTables func()) {
	if a.format == cli.CSV {
		a.recordWrite(cli.WriteCSV(a.process.Stdout, rows))
		return
	}
	a.writeResult(listing, asTables)
}

func (a *app) writeTable(columns []cli.Column, rows [][]string) {
	a.recordWrite(cli.WriteTable(a.process.Stdout, a.wide, columns, rows))
}

// writeNextTable writes an empty line and a table, or nothing without rows.
func (a *app) writeNextTable(columns []cli.Column, rows [][]string) {
	if len(rows) > 0 {
		a.printLinef("")
		a.writeTable(columns, rows)
	}
}

// writeFacts writes pairs of name and value as a table. Absent values are left out.
func (a *app) writeFacts(facts [][]string) {
	var rows [][]string
	for _, fact := range facts {
		if fact[1] != "" && fact[1] != cli.None {
			rows = append(rows, fact)
		}
	}
	a.writeTable(factColumns, rows)
}

var factColumns = []cli.Column{{Title: "what"}, {Title: "value"}}

// amount formats an amount of minor units in the major unit.
func amount(minor int64, currencyCode *string) string {
	if currencyCode == nil {
		return billing.FormatAmount(minor, "")
	}
	return billing.FormatAmount(minor, *currencyCode)
}
