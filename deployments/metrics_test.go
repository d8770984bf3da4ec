package deployments_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.yaml.in/yaml/v3"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/consumer"
	"github.com/billable-events/billable/pkg/receiver"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

// exports has the labels of each exported metric by name.
type exports map[string][]string

// targetLabels are the labels that Prometheus adds.
var targetLabels = []string{"namespace", "pod", "container", "job", "instance", "endpoint"}

// values returns the values of labels.
func values() map[string][]string {
	result := map[string][]string{
		"kind":      {"ok"},
		"class":     sqsqueue.Classes(),
		"operation": {"receive", "heartbeat", "handle", "add_charge", "add_charge_item", "close", "retrieve", "list"},
	}
	for kind := billing.Unknown; kind <= billing.Unauthorized; kind++ {
		result["kind"] = append(result["kind"], kind.String())
	}
	for _, reason := range billing.Reasons() {
		result["reason"] = append(result["reason"], string(reason))
	}
	return result
}

// export returns the metrics of both programs with the settings of production, and those of other
// exporters that alerts use.
func export(t *testing.T) exports {
	t.Helper()
	e := open(t, "production")
	found := exports{
		"kube_cronjob_status_last_successful_time": {"cronjob"},
		"node_timex_offset_seconds":                {},
	}
	consumer, err := consumer.New(e.consumer("consumer"), consumer.Deps{}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	found.add(t, consumer.Metrics())
	found.add(t, receiver.New(e.receiver(), receiver.Deps{}, zerolog.Nop()).Metrics())
	found.addCloudWatch(t)
	return found
}

var description = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", .*, variableLabels: \{([^}]*)\}\}$`)

// add adds the metrics of a registry.
func (e exports) add(t *testing.T, registry *prometheus.Registry) {
	t.Helper()
	descriptions := make(chan *prometheus.Desc, 1000)
	registry.Describe(descriptions)
	close(descriptions)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{}
	for _, family := range families {
		kinds[family.GetName()] = family.GetType().String()
	}
	for described := range descriptions {
		match := description.FindStringSubmatch(described.String())
		if match == nil {
			t.Fatalf("invalid description %s", described)
		}
		name, labels := match[1], strings.FieldsFunc(match[2], func(r rune) bool { return r == ',' })
		e[name] = labels
		// A histogram with labels is not gathered before its first value.
		if kind := kinds[name]; kind == "HISTOGRAM" || kind == "" && !strings.HasSuffix(name, "_total") {
			delete(e, name)
			e[name+"_sum"], e[name+"_count"], e[name+"_bucket"] = labels, labels, append(slices.Clone(labels), "le")
		}
	}
}

// addCloudWatch adds the metrics of the CloudWatch exporter.
func (e exports) addCloudWatch(t *testing.T) {
	t.Helper()
	content, err := os.ReadFile("prometheus/cloudwatch-exporter.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Static []struct {
			Namespace  string
			Dimensions []struct{ Name string }
			Metrics    []struct {
				Name       string
				Statistics []string
			}
		}
	}
	if err := yaml.Unmarshal(content, &config); err != nil {
		t.Fatal(err)
	}
	snake := regexp.MustCompile(`([a-z])([A-Z])`)
	for _, job := range config.Static {
		prefix := strings.ToLower(strings.ReplaceAll(job.Namespace, "/", "_"))
		for _, metric := range job.Metrics {
			for _, statistic := range metric.Statistics {
				name := strings.ToLower(fmt.Sprintf("%s_%s_%s", prefix, snake.ReplaceAllString(metric.Name, "${1}_$2"), statistic))
				for _, dimension := range job.Dimensions {
					e[name] = []string{"dimension_" + dimension.Name}
				}
			}
		}
	}
}

// faults returns the metrics, labels and values of the expression that do not exist.
func (e exports) faults(text string) (faults []string) {
	expression, err := parse(text)
	if err != nil {
		return []string{err.Error()}
	}
	known := slices.Clone(targetLabels)
	for _, use := range expression.uses {
		labels, ok := e[use.metric]
		if !ok {
			faults = append(faults, "no metric "+use.metric)
			continue
		}
		known = append(known, labels...)
		for label, value := range use.matchers {
			if !slices.Contains(labels, label) && !slices.Contains(targetLabels, label) {
				faults = append(faults, fmt.Sprintf("%s has no label %s", use.metric, label))
			}
			faults = append(faults, unknownValues(label, value)...)
		}
	}
	for _, label := range expression.groups {
		if !slices.Contains(known, label) {
			faults = append(faults, "none of the metrics has a label "+label)
		}
	}
	return faults
}

// unknownValues returns the values that the label never has. It ignores patterns other than lists of
// words.
func unknownValues(label, value string) (faults []string) {
	closed, ok := values()[label]
	if !ok || !regexp.MustCompile(`^[a-z_|]+$`).MatchString(value) {
		return nil
	}
	for one := range strings.SplitSeq(value, "|") {
		if !slices.Contains(closed, one) {
			faults = append(faults, fmt.Sprintf("%s is never %s", label, one))
		}
	}
	return faults
}

// rule is one alert.
type rule struct {
	Alert       string
	Expr        string
	Labels      map[string]string
	Annotations map[string]string
}

type group struct {
	Name  string
	Rules []rule
}

func alerts(t *testing.T) (rules []rule) {
	t.Helper()
	content, err := os.ReadFile("prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Groups []group }
	if err := yaml.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Groups {
		rules = append(rules, group.Rules...)
	}
	if len(rules) == 0 {
		t.Fatal("there are no alerts")
	}
	return rules
}

// An alert on a metric that does not exist never fires.
func TestAlerts_MetricsExist(t *testing.T) {
	t.Parallel()
	exports := export(t)
	for _, rule := range alerts(t) {
		for _, fault := range exports.faults(rule.Expr) {
			t.Errorf("%s: %s", rule.Alert, fault)
		}
	}
}

// It shows that TestAlerts_MetricsExist can fail.
func TestExports_Faults(t *testing.T) {
	t.Parallel()
	exports := export(t)
	for text, want := range map[string]string{
		`billable_webhook_shed`:                                                       "no metric",
		`billable_ratelimit_permits_total{operation="close"}`:                         "has no label operation",
		`billable_chargebee_requests_total{kind="limitted"}`:                          "kind is never limitted",
		`billable_revenue_at_risk_total{reason=~"too_old|gone"}`:                      "reason is never gone",
		`sum by (kind) (billable_settlements_total)`:                                  "a label kind",
		`rate(billable_webhook_request_duration_seconds[5m])`:                         "no metric",
		`rate(billable_webhook_shed_total_bucket[5m])`:                                "no metric",
		`aws_sqs_approximate_age_of_oldest_message_average`:                           "no metric",
		`sum by (le, operation) (billable_chargebee_request_duration_seconds_bucket)`: "",
	} {
		got := strings.Join(exports.faults(text), "; ")
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

const operations = "docs/operations.md"

// Each alert has a section, and each section an alert.
func TestAlerts_Runbooks(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join("..", operations))
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^#+ (Billable[A-Z]\w*)$`).FindAllStringSubmatch(string(content), -1) {
		sections[match[1]] = true
	}
	for _, rule := range alerts(t) {
		if !sections[rule.Alert] {
			t.Errorf("%s has no section in %s", rule.Alert, operations)
		}
		delete(sections, rule.Alert)
		want := "https://github.com/billable-events/billable/blob/main/" + operations + "#" + strings.ToLower(rule.Alert)
		if got := rule.Annotations["runbook_url"]; got != want {
			t.Errorf("%s leads to %s, want %s", rule.Alert, got, want)
		}
		if rule.Annotations["summary"] == "" || !slices.Contains([]string{"warning", "critical"}, rule.Labels["severity"]) {
			t.Errorf("%s has no summary, description or severity: %+v", rule.Alert, rule)
		}
	}
	for section := range sections {
		t.Errorf("%s has a section on %s, which is no alert", operations, section)
	}
}

// make alerts runs these cases.
func TestAlerts_AreTested(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("prometheus/alerts_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range alerts(t) {
		if !strings.Contains(string(content), fmt.Sprintf(`'ALERTS{alertname="%s", alertstate="firing"`, rule.Alert)) {
			t.Errorf("no case of alerts_test.yaml has %s fire", rule.Alert)
		}
	}
}

func TestPrometheusRule_EqualsAlerts(t *testing.T) {
	t.Parallel()
	var got []rule
	for _, object := range open(t, "production").all("PrometheusRule") {
		for _, group := range spec[struct{ Groups []group }](t, object).Groups {
			got = append(got, group.Rules...)
		}
	}
	if want := alerts(t); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Error("the PrometheusRule differs from prometheus/alerts.yaml: run make manifests")
	}
}
