package config

import (
	"os"
	"reflect"
	"strings"

	"github.com/knadh/koanf/v2"
)

// secretFiles are the paths of the secrets that were given as files, by key.
type secretFiles map[string]string

// secretFile returns the path of a secret that was given as one, else "". The environment
// counts more than the file of settings; in each, the secret and its path exclude each
// other.
func (f field) secretFile(file *koanf.Koanf, environment map[string]any) (path string, fault *Fault) {
	if !f.secret() {
		return "", nil
	}
	path, inEnvironment := environment[f.key+fileSuffix].(string)
	_, plain := environment[f.key]
	if !inEnvironment {
		if plain {
			return "", nil
		}
		path, plain = file.String(f.key+fileSuffix), file.Exists(f.key)
	}
	if path != "" && plain {
		return "", &Fault{f.key, "it is given twice, also as " + f.key + fileSuffix}
	}
	return path, nil
}

// readSecret sets the field to what the file holds.
func (f field) readSecret(path string) *Fault {
	content, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return &Fault{f.key + fileSuffix, err.Error()}
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if text == "" {
		return &Fault{f.key + fileSuffix, "the file " + path + " is empty"}
	}
	f.value.SetString(text)
	return nil
}

// reread sets the secrets in settings, a pointer to the struct below the prefix, that
// were given as files to what these hold now.
func (s secretFiles) reread(settings any, prefix string) (faults []Fault) {
	fields, _ := fieldsOf(reflect.ValueOf(settings).Elem(), prefix)
	for _, field := range fields {
		path, ok := s[field.key]
		if !ok {
			continue
		}
		if fault := field.readSecret(path); fault != nil {
			faults = append(faults, *fault)
		}
	}
	return faults
}
