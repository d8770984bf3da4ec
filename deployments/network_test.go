package deployments_test

import "testing"

// networkPolicy is the part of a NetworkPolicy that limits connections.
type networkPolicy struct {
	Ingress []struct {
		From  []peer
		Ports []policyPort
	}
	Egress []struct {
		To    []peer
		Ports []policyPort
	}
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
