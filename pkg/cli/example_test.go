package cli_test

import (
	"log"
	"os"

	"github.com/billable-events/billable/pkg/cli"
)

func ExampleWriteTable() {
	columns := []cli.Column{{Title: "reason"}, {Title: "count", Right: true}, {Title: "detail", Below: true}}
	err := cli.WriteTable(os.Stdout, false, columns, [][]string{
		{"too_old", "9", "the message is 144h0m0s old"},
		{"invalid_event", "10", "\x1b[2Jamount is negative"},
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// REASON         COUNT
	// too_old            9
	//   detail: the message is 144h0m0s old
	// invalid_event     10
	//   detail: \u001b[2Jamount is negative
}
