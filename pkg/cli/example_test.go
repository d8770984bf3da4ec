package cli_test

import (
	"log"
	"os"

	"github.com/billable-events/billable/pkg/cli"
)

func ExampleWriteTable() {
	columns := []cli.Column{{Title: "reason"}, {Title: "count", Right: true}, {Title: "detail", Width: 20}}
	err := cli.WriteTable(os.Stdout, columns, [][]string{
		{"too_old", "9", "the message is 144h0m0s old"},
		{"invalid_event", "10", "\x1b[2Jamount is negative"},
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// REASON         COUNT  DETAIL
	// too_old            9  the message is 144h…
	// invalid_event     10   [2Jamount is negat…
}
