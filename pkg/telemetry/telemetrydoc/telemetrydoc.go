// Package telemetrydoc reads docs/telemetry.md for the tests that keep it in sync with the programs.
package telemetrydoc

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// Table returns the last cell of each row in the table below a heading, by the name in the first
// cell. The caller is a test in a directory below pkg.
func Table(t *testing.T, heading string) map[string]string {
	t.Helper()
	content, err := os.ReadFile("../../docs/telemetry.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(content), "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := map[string]string{}
	for line := range strings.Lines(section) {
		if cells := strings.Split(strings.TrimSpace(line), " | "); strings.HasPrefix(line, "| `") {
			rows[strings.Trim(cells[0], "| `")] = strings.Trim(cells[len(cells)-1], "| ")
		}
	}
	return rows
}

var description = regexp.MustCompile(`fqName: "(billable_[^"]*)", help: "(.*)", unit: .*variableLabels: (\{.*\})\}$`)

// Metrics returns the help text of each of Billable's metrics, by its name with labels.
func Metrics(registry *prometheus.Registry) map[string]string {
	descriptions := make(chan *prometheus.Desc, 1000) // more than there are
	registry.Describe(descriptions)
	close(descriptions)
	found := map[string]string{}
	for metric := range descriptions {
		if fields := description.FindStringSubmatch(metric.String()); fields != nil {
			found[fields[1]+strings.TrimSuffix(fields[3], "{}")] = fields[2]
		}
	}
	return found
}
