package cli_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/cli"
)

type csvRow struct {
	ID     string   `json:"id"`
	Reason *string  `json:"reason"`
	Amount int64    `json:"amount"`
	Held   bool     `json:"held"`
	Of     []string `json:"of"`
}

func TestWriteCSV(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rows []csvRow
		want string
	}{
		"no rows": {nil, ""},
		"values":  {[]csvRow{{"a", new("too_old"), -12, true, []string{"s", "t"}}, {"b", nil, 0, false, nil}}, "a,too_old,-12,true,s t\nb,,0,false,\n"},
		"quotes":  {[]csvRow{{ID: "a,\"b\"\nc"}}, "\"a,\"\"b\"\"\nc\",,0,false,\n"},
		"formulas": {
			[]csvRow{{ID: "=1+1", Reason: new("@SUM(A1)"), Of: []string{"+1", "-1"}}, {ID: "-1", Reason: new("\t=1")}, {ID: "a=b"}},
			"'=1+1,'@SUM(A1),0,false,'+1 -1\n'-1,'\t=1,0,false,\na=b,,0,false,\n",
		},
		"not escaped for HTML": {[]csvRow{{ID: "<&>"}}, "<&>,,0,false,\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			if err := cli.WriteCSV(&out, test.rows); err != nil {
				t.Fatal(err)
			}
			if want := "id,reason,amount,held,of\n" + test.want; out.String() != want {
				t.Errorf("got %q, want %q", out.String(), want)
			}
		})
	}
	if err := cli.WriteCSV(full{}, []csvRow{{}}); !errors.Is(err, errFull) {
		t.Errorf("a full disk: %v", err)
	}
}
