package manual

import (
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// metric is one as the manual and a registry describe it.
type metric struct{ labels, meaning string }

// described takes a prometheus.Desc of ours apart: it has no other way to be read.
var described = regexp.MustCompile(`^Desc\{fqName: "(billable_[^"]*)", help: "(.*)", unit: "", constLabels: \{\}, variableLabels: \{(.*)\}\}$`)

// CheckMetrics compares the metrics of ours in a registry with the table below a heading:
// names, labels, meaning, kind and unit.
func CheckMetrics(t *testing.T, heading string, registry *prometheus.Registry) {
	t.Helper()
	registered, kinds := registeredIn(registry), kindsIn(t, registry)
	listed := map[string]bool{}
	for _, row := range table(t, heading) {
		name, labels, _ := strings.Cut(strings.TrimSuffix(word(row[0]), "}"), "{")
		listed[name] = true
		found, ok := registered[name]
		if !ok {
			t.Errorf("the manual lists %s, which is not registered", name)
			continue
		}
		if (found != metric{labels, row[3]}) {
			t.Errorf("%s: the manual has %q, the program %q", name, metric{labels, row[3]}, found)
		}
		if kind := kinds[name]; kind != "" && kind != row[1] || strings.HasSuffix(name, "_total") != (row[1] == "counter") {
			t.Errorf("%s: the manual says it is a %s, the program %q", name, row[1], kind)
		}
		if strings.HasSuffix(name, "_seconds") != (row[2] == "s") || strings.HasSuffix(name, "_bytes") != (row[2] == "bytes") {
			t.Errorf("%s: the manual says its unit is %q", name, row[2])
		}
	}
	for name := range registered {
		if !listed[name] {
			t.Errorf("the manual lacks %s", name)
		}
	}
}

func registeredIn(registry *prometheus.Registry) map[string]metric {
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		registry.Describe(descriptions)
	}()
	found := map[string]metric{}
	for description := range descriptions {
		if fields := described.FindStringSubmatch(description.String()); fields != nil {
			found[fields[1]] = metric{labels: fields[3], meaning: fields[2]}
		}
	}
	return found
}

// kindsIn are those of the metrics that have a value.
func kindsIn(t *testing.T, registry *prometheus.Registry) map[string]string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{}
	for _, family := range families {
		kinds[family.GetName()] = strings.ToLower(family.GetType().String())
	}
	return kinds
}
