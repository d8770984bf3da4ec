// Package deployments_test holds what is shipped for operation against the program: manifests
// against its settings, alerts and dashboard against its metrics, alerts against their runbooks.
package deployments_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const (
	kubernetes = "kubernetes"
	rendered   = kubernetes + "/rendered"
)

var overlays = []string{"dev", "production", "production-tracing"}

// object is one object of a manifest.
type object struct {
	Kind     string
	Metadata metadata
	Data     map[string]string
	Spec     yaml.Node
}

type metadata struct {
	Name, Namespace     string
	Labels, Annotations map[string]string
}

// pod is a pod's template.
type pod struct {
	Metadata metadata
	Spec     struct {
		ServiceAccountName            string           `yaml:"serviceAccountName"`
		AutomountServiceAccountToken  *bool            `yaml:"automountServiceAccountToken"`
		EnableServiceLinks            *bool            `yaml:"enableServiceLinks"`
		TerminationGracePeriodSeconds int              `yaml:"terminationGracePeriodSeconds"`
		SecurityContext               securityContext  `yaml:"securityContext"`
		TopologySpreadConstraints     []selecting      `yaml:"topologySpreadConstraints"`
		InitContainers                []map[string]any `yaml:"initContainers"`
		Containers                    []container
		Volumes                       []volume
	}
}

type securityContext struct {
	RunAsNonRoot   bool                  `yaml:"runAsNonRoot"`
	RunAsUser      int                   `yaml:"runAsUser"`
	SeccompProfile struct{ Type string } `yaml:"seccompProfile"`
}

type container struct {
	Image     string
	Args      []string
	Env       []map[string]any
	EnvFrom   []envSource `yaml:"envFrom"`
	Ports     []port
	Resources struct{ Requests, Limits map[string]string }
	Lifecycle struct {
		PreStop struct{ Sleep struct{ Seconds int } } `yaml:"preStop"`
	}
	LivenessProbe   probe `yaml:"livenessProbe"`
	ReadinessProbe  probe `yaml:"readinessProbe"`
	SecurityContext struct {
		AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
		Capabilities             struct{ Drop []string }
	} `yaml:"securityContext"`
	VolumeMounts []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
		SubPath   string `yaml:"subPath"`
	} `yaml:"volumeMounts"`
}

type envSource struct {
	ConfigMapRef struct{ Name string } `yaml:"configMapRef"`
}

type port struct {
	Name          string
	ContainerPort int `yaml:"containerPort"`
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

type volume struct {
	Name      string
	ConfigMap struct{ Name string } `yaml:"configMap"`
	Secret    struct {
		SecretName string `yaml:"secretName"`
	}
}

// selecting is a part of a manifest that chooses pods.
type selecting struct {
	LabelSelector selector `yaml:"labelSelector"`
}

type selector struct {
	MatchLabels      map[string]string `yaml:"matchLabels"`
	MatchExpressions []struct {
		Key, Operator string
		Values        []string
	} `yaml:"matchExpressions"`
}

// environment is the result of one overlay.
type environment struct {
	t       *testing.T
	objects []object
}

// open reads the manifests of an overlay.
func open(t *testing.T, overlay string) environment {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(rendered, overlay+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	result := environment{t: t}
	for decoder := yaml.NewDecoder(bytes.NewReader(content)); ; {
		var next object
		switch err := decoder.Decode(&next); {
		case errors.Is(err, io.EOF):
			return result
		case err != nil:
			t.Fatal(err)
		}
		result.objects = append(result.objects, next)
	}
}

// all returns the objects of a kind.
func (e environment) all(kind string) (found []object) {
	for _, object := range e.objects {
		if object.Kind == kind {
			found = append(found, object)
		}
	}
	return found
}

// one returns the named object of a kind.
func (e environment) one(kind, name string) object {
	e.t.Helper()
	for _, object := range e.all(kind) {
		if object.Metadata.Name == name {
			return object
		}
	}
	e.t.Fatalf("there is no %s %s", kind, name)
	return object{}
}

// spec reads the object's spec.
func spec[T any](t *testing.T, from object) (result T) {
	t.Helper()
	if err := from.Spec.Decode(&result); err != nil {
		t.Fatal(err)
	}
	return result
}

type deployment struct {
	Replicas int
	Selector selector
	Strategy struct {
		RollingUpdate struct {
			MaxSurge int `yaml:"maxSurge"`
		} `yaml:"rollingUpdate"`
	}
	Template pod
}

type cronJob struct {
	JobTemplate struct{ Spec struct{ Template pod } } `yaml:"jobTemplate"`
}

// pods returns the templates of all pods, by the names of their workloads.
func (e environment) pods() map[string]pod {
	e.t.Helper()
	found := map[string]pod{}
	for _, object := range e.all("Deployment") {
		found[object.Metadata.Name] = spec[deployment](e.t, object).Template
	}
	for _, object := range e.all("CronJob") {
		found[object.Metadata.Name] = spec[cronJob](e.t, object).JobTemplate.Spec.Template
	}
	return found
}

// The other tests read the manifests that make manifests has built.
func TestRendered_IsUpToDate(t *testing.T) {
	t.Parallel()
	sums, err := os.ReadFile(filepath.Join(rendered, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	recorded := map[string]string{}
	for line := range strings.Lines(string(sums)) {
		if sum, file, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  "); ok {
			recorded[file] = sum
		}
	}
	for _, part := range []string{"base", "components", "overlays"} {
		err := filepath.WalkDir(filepath.Join(kubernetes, part), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			sum := sha256.Sum256(content)
			file := strings.TrimPrefix(filepath.ToSlash(path), kubernetes+"/")
			if recorded[file] != hex.EncodeToString(sum[:]) {
				t.Errorf("%s has changed since make manifests", file)
			}
			delete(recorded, file)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for file := range recorded {
		t.Errorf("%s is gone since make manifests", file)
	}
}
