// Command schemas writes the JSON schemas that make manifests checks with, from what
// Kubernetes, KEDA and the Prometheus operator publish: make schemas.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The modules whose files the schemas are made of. Their versions are those that the
// manifests are meant for.
const (
	kubernetes = "k8s.io/kubernetes@v1.37.2"
	keda       = "github.com/kedacore/keda/v2@v2.21.0"
	operator   = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
)

// natives are the kinds of Kubernetes that the manifests use, by their names in its OpenAPI
// document.
var natives = []string{
	"io.k8s.api.apps.v1.Deployment",
	"io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
	"io.k8s.api.batch.v1.CronJob",
	"io.k8s.api.core.v1.ConfigMap",
	"io.k8s.api.core.v1.Namespace",
	"io.k8s.api.core.v1.Service",
	"io.k8s.api.core.v1.ServiceAccount",
	"io.k8s.api.networking.v1.NetworkPolicy",
	"io.k8s.api.policy.v1.PodDisruptionBudget",
}

// customs are the definitions of the other kinds: path of a file in a module.
var customs = []struct{ module, file string }{
	{keda, "config/crd/bases/keda.sh_scaledobjects.yaml"},
	{keda, "config/crd/bases/keda.sh_triggerauthentications.yaml"},
	{operator, "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml"},
	{operator, "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml"},
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("give the directory that the schemas are written to")
	}
	return errors.Join(writeNatives(args[0]), writeCustoms(args[0]))
}

func writeNatives(directory string) error {
	module, err := download(kubernetes)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(filepath.Join(module, "api/openapi-spec/swagger.json")) //nolint:gosec // the module is in the table
	if err != nil {
		return err
	}
	var document struct{ Definitions definitions }
	if err := json.Unmarshal(content, &document); err != nil {
		return err
	}
	for _, name := range natives {
		schema := document.Definitions.strict(document.Definitions[name])
		parts := strings.Split(name, ".") // io.k8s.api.GROUP.VERSION.KIND
		group, version, kind := parts[3], parts[4], parts[5]
		if group == "core" {
			group = ""
		}
		if err := write(directory, kind, group, version, schema); err != nil {
			return err
		}
	}
	return nil
}

func writeCustoms(directory string) error {
	for _, custom := range customs {
		module, err := download(custom.module)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(filepath.Join(module, custom.file)) //nolint:gosec // the table names the file
		if err != nil {
			return err
		}
		var definition struct {
			Spec struct {
				Group    string
				Names    struct{ Kind string }
				Versions []struct {
					Name   string
					Schema struct {
						OpenAPIV3Schema map[string]any `yaml:"openAPIV3Schema"`
					}
				}
			}
		}
		if err := yaml.Unmarshal(content, &definition); err != nil {
			return fmt.Errorf("%s: %w", custom.file, err)
		}
		for _, version := range definition.Spec.Versions {
			schema := definitions(nil).strict(version.Schema.OpenAPIV3Schema)
			if err := write(directory, definition.Spec.Names.Kind, definition.Spec.Group, version.Name, schema); err != nil {
				return err
			}
		}
	}
	return nil
}

// download returns the directory of a module, path@version, which the Go command fetches
// and verifies if it is not there yet.
func download(module string) (string, error) {
	output, err := exec.Command("go", "mod", "download", "-json", module).Output() //nolint:gosec // from the table
	if err != nil {
		return "", fmt.Errorf("go mod download %s: %w", module, err)
	}
	var found struct{ Dir string }
	return found.Dir, json.Unmarshal(output, &found)
}

// write writes the schema under the name by which kubeconform looks for it.
func write(directory, kind, group, version string, schema any) error {
	name := strings.ToLower(kind)
	if group != "" {
		name += "-" + strings.Split(group, ".")[0]
	}
	content, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(directory, name+"-"+version+".json"), append(content, '\n'), 0o644) //nolint:gosec // for everybody to read
}
