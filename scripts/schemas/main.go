// Command schemas writes the JSON schemas by which make manifests validates, from the definitions of
// Kubernetes, KEDA and the Prometheus operator: make schemas.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/billable-events/billable/scripts/cli"
)

// sources are files of Go modules, which go.sum's database verifies. The versions are those that the
// manifests are for.
var sources = []struct{ module, file string }{
	{"k8s.io/kubernetes@v1.37.2", "api/openapi-spec/swagger.json"},
	{"github.com/kedacore/keda/v2@v2.21.0", "config/crd/bases/keda.sh_scaledobjects.yaml"},
	{"github.com/kedacore/keda/v2@v2.21.0", "config/crd/bases/keda.sh_triggerauthentications.yaml"},
	{"github.com/prometheus-operator/prometheus-operator@v0.85.0", "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml"},
	{"github.com/prometheus-operator/prometheus-operator@v0.85.0", "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml"},
}

// builtins are the kinds of Kubernetes that the manifests use, as group, version and kind.
var builtins = []string{
	"apps.v1.Deployment", "autoscaling.v2.HorizontalPodAutoscaler", "batch.v1.CronJob", "core.v1.ConfigMap", "core.v1.Namespace",
	"core.v1.Service", "core.v1.ServiceAccount", "networking.v1.NetworkPolicy", "policy.v1.PodDisruptionBudget",
}

func main() { cli.Main("schemas", run) }

func run(_ context.Context, args []string, _, stderr io.Writer) error {
	if len(args) != 1 {
		return cli.Usagef("schemas", stderr, "give the directory of the schemas")
	}
	for _, source := range sources {
		if err := convert(source.module, source.file, args[0]); err != nil {
			return fmt.Errorf("%s: %w", source.file, err)
		}
	}
	return nil
}

// convert writes the schemas of a file: an OpenAPI document, or a custom resource definition.
func convert(module, file, directory string) error {
	output, err := exec.Command("go", "mod", "download", "-json", module).Output() //nolint:gosec // from the table
	if err != nil {
		return fmt.Errorf("go mod download: %w", err)
	}
	var downloaded struct{ Dir string }
	if err := json.Unmarshal(output, &downloaded); err != nil {
		return err
	}
	content, err := os.ReadFile(filepath.Join(downloaded.Dir, file)) //nolint:gosec // from the table
	if err != nil {
		return err
	}
	var document struct {
		Definitions definitions
		Spec        struct {
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
	if err := yaml.Unmarshal(content, &document); err != nil { // JSON is YAML
		return err
	}
	if document.Definitions != nil {
		for _, name := range builtins {
			parts := strings.Split(name, ".")
			schema := document.Definitions.strict(document.Definitions["io.k8s.api."+name], true)
			if err := write(directory, strings.TrimSuffix(parts[0], "core"), parts[1], parts[2], schema); err != nil {
				return err
			}
		}
	}
	for _, version := range document.Spec.Versions {
		schema := document.Definitions.strict(version.Schema.OpenAPIV3Schema, true)
		if err := write(directory, document.Spec.Group, version.Name, document.Spec.Names.Kind, schema); err != nil {
			return err
		}
	}
	return nil
}

// write writes a schema under the name that kubeconform expects.
func write(directory, group, version, kind string, schema any) error {
	name := strings.ToLower(kind)
	if group != "" {
		name += "-" + strings.Split(group, ".")[0]
	}
	content, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(directory, name+"-"+version+".json"), append(content, '\n'), 0o644) //nolint:gosec // they are public
}

// definitions are the schemas of an OpenAPI document by name.
type definitions map[string]map[string]any

// keywords of OpenAPI that mean the same in JSON schema.
var keywords = []string{
	"type", "required", "enum", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern",
	"items", "properties", "additionalProperties", "oneOf", "anyOf", "allOf", "not",
}

// strict returns a schema as JSON schema, without descriptions and references. It forbids unknown
// fields where whole is true: a schema below oneOf and the like describes only some of the fields.
func (d definitions) strict(schema map[string]any, whole bool) map[string]any {
	if reference, ok := schema["$ref"].(string); ok {
		if strings.HasSuffix(reference, ".resource.Quantity") { // as the API server parses it
			return map[string]any{"type": []string{"string", "number"}}
		}
		return d.strict(d[strings.TrimPrefix(reference, "#/definitions/")], whole)
	}
	if schema["format"] == "int-or-string" || schema["x-kubernetes-int-or-string"] == true {
		return map[string]any{"type": []string{"string", "integer"}}
	}
	result := map[string]any{}
	for _, keyword := range keywords {
		value, ok := schema[keyword]
		if !ok {
			continue
		}
		switch typed := value.(type) {
		case map[string]any: // a schema, or properties
			if keyword == "properties" {
				properties := map[string]any{}
				for name, property := range typed {
					properties[name] = d.strict(property.(map[string]any), whole)
				}
				value = properties
			} else {
				value = d.strict(typed, whole && keyword != "not")
			}
		case []any:
			if strings.HasSuffix(keyword, "Of") {
				schemas := make([]any, len(typed))
				for i, part := range typed {
					schemas[i] = d.strict(part.(map[string]any), false)
				}
				value = schemas
			}
		}
		result[keyword] = value
	}
	_, open := result["additionalProperties"]
	if result["properties"] != nil && !open && whole && schema["x-kubernetes-preserve-unknown-fields"] != true {
		result["additionalProperties"] = false
	}
	return result
}
