package main

import (
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/conformance"
)

// output is the output of go test -json for the checks below.
const output = `# a line of the compiler
{"Action":"run","Test":"TestContractAt"}
{"Action":"run","Test":"TestContractAt/a/good_one"}
{"Action":"pass","Test":"TestContractAt/a/good_one"}
{"Action":"fail","Test":"TestContractAt/a/known,_a_bad_one"}
{"Action":"skip","Test":"TestContractAt/a/long"}
{"Action":"fail","Test":"TestContractAt"}
`

func TestSuite_Compare(t *testing.T) {
	t.Parallel()
	s := suite{
		checks: []conformance.Outline{{Name: "a/good one"}, {Name: "a/known, a bad one"}, {Name: "a/long", Lasts: time.Hour}},
		known:  map[string]string{"a/known, a bad one": "it is bad"},
	}
	if got := s.expected(); got != (tally{passed: 1, differ: 1, skipped: 1}) {
		t.Errorf("expected are %v", got)
	}
	for name, test := range map[string]struct {
		replace, with string
		want          string // surprises
	}{
		"all as known":               {"", "", ""},
		"a new failure":              {`"pass","Test":"TestContractAt/a/good_one"`, `"fail","Test":"TestContractAt/a/good_one"`, "a/good one fails"},
		"right by now":               {`"fail","Test":"TestContractAt/a/known`, `"pass","Test":"TestContractAt/a/known`, "a/known, a bad one passes now: remove it from Known"},
		"skipped though it is short": {`"pass","Test":"TestContractAt/a/good_one"`, `"skip","Test":"TestContractAt/a/good_one"`, "a/good one was skipped"},
		"not run":                    {`{"Action":"pass","Test":"TestContractAt/a/good_one"}`, "", "a/good one was not run"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := s.compare(outcomesOf([]byte(strings.Replace(output, test.replace, test.with, 1))))
			if strings.Join(got, "; ") != test.want {
				t.Errorf("surprises %q, want %q", got, test.want)
			}
		})
	}
}

// TestKnownChecksAreRun: what is known about a check that is skipped is never proved.
func TestKnownChecksAreRun(t *testing.T) {
	t.Parallel()
	for _, suite := range suites {
		if len(suite.checks) == 0 || len(suite.known) == 0 {
			t.Errorf("%s of %s: %d checks, %d known to differ", suite.service, suite.emulator, len(suite.checks), len(suite.known))
		}
		for _, check := range suite.checks {
			if check.Lasts > longest && suite.known[check.Name] != "" {
				t.Errorf("%s: %s lasts %s", suite.emulator, check.Name, check.Lasts)
			}
		}
	}
}
