package commands

import (
	"fmt"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/escape"
)

// The functions below write to the standard output. A command that succeeds otherwise returns their first error (root).

// printLinef writes a formatted text and a line end. Strings in args are escaped: they cannot add lines.
func (a *app) printLinef(format string, args ...any) {
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = escape.Line(text)
		}
	}
	_, err := fmt.Fprintf(a.process.Stdout, format+"\n", args...)
	a.recordWrite(err)
}

// recordWrite keeps the error of a write if it is the first one.
func (a *app) recordWrite(err error) {
	if a.writeErr == nil {
		a.writeErr = err
	}
}

// printDryRun writes an empty line and the last line of a dry run.
func (a *app) printDryRun() {
	a.printLinef("\nDry run: nothing was changed. Repeat with --yes to apply.")
}

// writeResult writes the result of a command as JSON if --output is json. Otherwise it calls asTables.
func (a *app) writeResult(result any, asTables func()) {
	if a.format == cli.JSON {
		a.recordWrite(cli.WriteJSON(a.process.Stdout, result))
		return
	}
	asTables()
}

// writeListing writes the rows of a listing as CSV if --output is csv. Otherwise it calls writeResult.
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

// formatAmount formats an amount of minor units in the major unit.
func formatAmount(minor int64, currencyCode *string) string {
	if currencyCode == nil {
		return billing.FormatAmount(minor, "")
	}
	return billing.FormatAmount(minor, *currencyCode)
}
