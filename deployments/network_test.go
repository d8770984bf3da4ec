package deployments_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billable-events/billable/pkg/telemetry"
)

// networkPolicy is the part of a NetworkPolicy that limits connections.
type networkPolicy struct {
	PodSelector selector `yaml:"podSelector"`
	Ingress     []struct {
		From  []peer
		Ports []policyPort
	}
	Egress []egressRule
}

type egressRule struct {
	To    []peer
	Ports []policyPort
}

type peer struct {
	NamespaceSelector *selector `yaml:"namespaceSelector"`
	PodSelector       *selector `yaml:"podSelector"`
	IPBlock           *struct {
		CIDR string
	} `yaml:"ipBlock"`
}

type policyPort struct{ Protocol, Port string }

// limits reports whether the peer excludes some clients: an empty selector of namespaces and an address
// block of length 0 do not.
func (p peer) limits() bool {
	switch {
	case p.IPBlock != nil:
		return p.IPBlock.CIDR != "0.0.0.0/0" && p.IPBlock.CIDR != "::/0"
	case p.NamespaceSelector != nil && len(p.NamespaceSelector.MatchLabels)+len(p.NamespaceSelector.MatchExpressions) > 0:
		return true
	default:
		return p.PodSelector != nil && len(p.PodSelector.MatchLabels)+len(p.PodSelector.MatchExpressions) > 0
	}
}

// In production only the ingress connects to the port of webhooks, as SECURITY.md describes, and only
// Prometheus to the admin listener.
func TestNetworkPolicies_Ingress(t *testing.T) {
	t.Parallel()
	e := open(t, "production")
	opened := map[string]int{}
	for _, object := range e.all("NetworkPolicy") {
		for _, rule := range spec[networkPolicy](t, object).Ingress {
			for _, port := range rule.Ports {
				opened[port.Port]++
			}
			if len(rule.Ports) == 0 {
				t.Errorf("%s allows all ports", object.Metadata.Name)
			}
			if len(rule.From) == 0 {
				t.Errorf("%s allows all clients", object.Metadata.Name)
			}
			for _, from := range rule.From {
				if !from.limits() {
					t.Errorf("%s allows all clients: %+v", object.Metadata.Name, from)
				}
			}
		}
	}
	if len(opened) != 2 || opened["http"] != 1 || opened["admin"] != 1 {
		t.Errorf("open ports, with the number of rules: %v", opened)
	}
}

// otlpEndpoint returns the collector in the environment of a workload, or "" without tracing. Like the
// programs it prefers the variable of traces.
func (e environment) otlpEndpoint(workload string) string {
	e.t.Helper()
	variables := map[string]string{}
	for _, variable := range e.source(workload).Environ {
		name, value, _ := strings.Cut(variable, "=")
		variables[name] = value
	}
	if endpoint := variables["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]; endpoint != "" {
		return endpoint
	}
	return variables["OTEL_EXPORTER_OTLP_ENDPOINT"]
}

// tracingDelay returns the time that a process with tracing spends on its last spans when it ends.
func (e environment) tracingDelay(workload string) time.Duration {
	e.t.Helper()
	if e.otlpEndpoint(workload) == "" {
		return 0
	}
	return telemetry.FlushTimeout
}

// Besides DNS, AWS and Chargebee a pod connects to the collector that its OTLP endpoint names, and without
// an endpoint to nothing.
func TestNetworkPolicies_Tracing(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays {
		e := open(t, overlay)
		for name, pod := range e.pods() {
			var got, want []egressRule
			for _, object := range e.all("NetworkPolicy") {
				if policy := spec[networkPolicy](t, object); object.Metadata.Name != "egress" && policy.PodSelector.matches(pod.Metadata.Labels) {
					got = append(got, policy.Egress...)
				}
			}
			if endpoint := e.otlpEndpoint(name); endpoint != "" {
				collector, err := url.Parse(endpoint)
				if err != nil {
					t.Fatal(err)
				}
				_, namespace, _ := strings.Cut(collector.Hostname(), ".")
				want = []egressRule{{
					To:    []peer{{NamespaceSelector: &selector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": namespace}}}},
					Ports: []policyPort{{Protocol: "TCP", Port: collector.Port()}},
				}}
			}
			if difference := cmp.Diff(want, got); difference != "" {
				t.Errorf("%s: %s: egress and OTLP endpoint differ (-want +got):\n%s", overlay, name, difference)
			}
			if traced := strings.HasSuffix(overlay, "-tracing"); traced != (e.otlpEndpoint(name) != "") {
				t.Errorf("%s: %s has the OTLP endpoint %q", overlay, name, e.otlpEndpoint(name))
			}
		}
	}
}
