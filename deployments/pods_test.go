package deployments_test

import (
	"maps"
	"slices"
	"testing"
)

func TestPods_AreRestricted(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays {
		e := open(t, overlay)
		for _, namespace := range e.all("Namespace") {
			if namespace.Metadata.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
				t.Errorf("%s: the namespace is not restricted", overlay)
			}
		}
		for name, pod := range e.pods() {
			for what, ok := range restrictions(pod) {
				if !ok {
					t.Errorf("%s: %s: not so: %s", overlay, name, what)
				}
			}
		}
	}
}

func restrictions(pod pod) map[string]bool {
	must := map[string]bool{
		"the runtime's own seccomp profile": pod.Spec.SecurityContext.SeccompProfile.Type == "RuntimeDefault",
		"not root, but 65532":               pod.Spec.SecurityContext.RunAsNonRoot && pod.Spec.SecurityContext.RunAsUser == 65532,
		"a token for the API server is not": pod.Spec.AutomountServiceAccountToken != nil && !*pod.Spec.AutomountServiceAccountToken,
		"no variables of Services":          pod.Spec.EnableServiceLinks != nil && !*pod.Spec.EnableServiceLinks,
		"no init containers":                len(pod.Spec.InitContainers) == 0,
		"one container":                     len(pod.Spec.Containers) == 1,
	}
	for _, c := range pod.Spec.Containers {
		must["no more privileges"] = c.SecurityContext.AllowPrivilegeEscalation != nil && !*c.SecurityContext.AllowPrivilegeEscalation
		must["a read-only root"] = c.SecurityContext.ReadOnlyRootFilesystem
		must["no capabilities"] = slices.Equal(c.SecurityContext.Capabilities.Drop, []string{"ALL"})
		must["a memory limit, none of CPU"] = c.Resources.Limits["memory"] != "" && c.Resources.Limits["cpu"] == ""
		must["requests"] = c.Resources.Requests["memory"] != "" && c.Resources.Requests["cpu"] != ""
		ofGo := func(variable map[string]any) bool {
			return variable["name"] == "GOMEMLIMIT" && variable["value"] != nil
		}
		must["secrets are files: no variables but Go's own and those of a ConfigMap"] = len(c.Env) <= 1 && !slices.ContainsFunc(c.Env, func(variable map[string]any) bool { return !ofGo(variable) }) &&
			len(c.EnvFrom) > 0 && !slices.ContainsFunc(c.EnvFrom, func(source envSource) bool { return source.ConfigMapRef.Name == "" })
		for _, mount := range c.VolumeMounts {
			must["no subPath, which is never updated"] = mount.SubPath == ""
		}
	}
	return must
}

func TestPods_ReceiverResources(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays {
		resources := open(t, overlay).pods()["receiver"].Spec.Containers[0].Resources
		if want := map[string]string{"cpu": "250m", "memory": "256Mi"}; !maps.Equal(resources.Requests, want) {
			t.Errorf("%s: requests %v, want %v", overlay, resources.Requests, want)
		}
		if want := map[string]string{"memory": "512Mi"}; !maps.Equal(resources.Limits, want) {
			t.Errorf("%s: limits %v, want %v", overlay, resources.Limits, want)
		}
	}
}

// matches reports whether the selector selects pods with the labels.
func (s selector) matches(labels map[string]string) bool {
	for key, value := range s.MatchLabels {
		if labels[key] != value {
			return false
		}
	}
	for _, expression := range s.MatchExpressions {
		if expression.Operator != "In" || !slices.Contains(expression.Values, labels[expression.Key]) {
			return false
		}
	}
	return true
}

// selected returns the names of the workloads whose pods the selector chooses.
func (e environment) selected(s selector) (names []string) {
	for name, pod := range e.pods() {
		if s.matches(pod.Metadata.Labels) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// A schema does not detect a label that a transformer replaces.
func TestPods_Selectors(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays {
		e := open(t, overlay)
		check := func(kind, name string, s selector, want ...string) {
			t.Helper()
			if got := e.selected(s); !slices.Equal(got, want) {
				t.Errorf("%s: %s %s chooses the pods of %v, want %v", overlay, kind, name, got, want)
			}
		}
		for _, name := range []string{"receiver", "consumer"} {
			deployment := spec[deployment](t, e.one("Deployment", name))
			check("Deployment", name, deployment.Selector, name)
			for _, spread := range deployment.Template.Spec.TopologySpreadConstraints {
				check("topology spread of", name, spread.LabelSelector, name)
			}
			if len(deployment.Template.Spec.TopologySpreadConstraints) != 2 {
				t.Errorf("%s: %s is not spread over zones and nodes", overlay, name)
			}
			check("PodDisruptionBudget", name, spec[struct{ Selector selector }](t, e.one("PodDisruptionBudget", name)).Selector, name)
		}
		service := spec[struct{ Selector map[string]string }](t, e.one("Service", "receiver"))
		check("Service", "receiver", selector{MatchLabels: service.Selector}, "receiver")

		type policy struct {
			PodSelector selector `yaml:"podSelector"`
		}
		everyone := []string{"consumer", "receiver", "sweep"}
		for name, want := range map[string][]string{
			"nothing-by-default": everyone, "egress": everyone, "metrics": everyone, "webhooks": {"receiver"},
		} {
			check("NetworkPolicy", name, spec[policy](t, e.one("NetworkPolicy", name)).PodSelector, want...)
		}
		for _, monitor := range e.all("PodMonitor") {
			check("PodMonitor", monitor.Metadata.Name, spec[struct{ Selector selector }](t, monitor).Selector, "consumer", "receiver")
		}
	}
}

// Probes, Service, policies and PodMonitor use ports that the settings open.
func TestPods_Ports(t *testing.T) {
	t.Parallel()
	want := map[string][]port{
		"receiver": {{"http", 8080}, {"admin", 9090}},
		"consumer": {{"admin", 9091}},
		"sweep":    nil,
	}
	for _, overlay := range overlays {
		for name, pod := range open(t, overlay).pods() {
			container := pod.Spec.Containers[0]
			if !slices.Equal(container.Ports, want[name]) {
				t.Errorf("%s: %s has the ports %v, want %v", overlay, name, container.Ports, want[name])
			}
			if live, ready := container.LivenessProbe.HTTPGet, container.ReadinessProbe.HTTPGet; name != "sweep" &&
				(live.Port != "admin" || live.Path != "/livez" || ready.Port != "admin" || ready.Path != "/readyz") {
				t.Errorf("%s: the probes of %s are %v and %v", overlay, name, live, ready)
			}
		}
	}
}

// Each workload has a service account of its own, and in production a role.
func TestPods_Identities(t *testing.T) {
	t.Parallel()
	want := map[string]string{"receiver": "receiver", "consumer": "consumer", "sweep": "operator"}
	for _, overlay := range overlays {
		e := open(t, overlay)
		roles := map[string]bool{}
		for name, pod := range e.pods() {
			if pod.Spec.ServiceAccountName != want[name] {
				t.Errorf("%s: %s runs as %s", overlay, name, pod.Spec.ServiceAccountName)
			}
			account := e.one("ServiceAccount", pod.Spec.ServiceAccountName)
			roles[account.Metadata.Annotations["eks.amazonaws.com/role-arn"]] = true
		}
		if overlay == "production" && (len(roles) != len(want) || roles[""]) {
			t.Errorf("the roles are %v", roles)
		}
	}
}
