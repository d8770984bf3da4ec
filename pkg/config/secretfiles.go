package config

import (
	"fmt"
	"os"
	"reflect"
	"strings"
)

// secretFiles maps the keys of secrets that are read from files to the paths of the files.
type secretFiles map[string]string

// FromFiles reports whether Reload can return other settings: at least one secret is read from a file.
func (s secretFiles) FromFiles() bool { return len(s) > 0 }

// secretPath returns the path of the file that holds the secret, or "" if there is none. The YAML file is used only if
// the environment has neither the secret nor its path. It is an error if one source has both.
func (f field) secretPath(file map[string]any, environment map[string]string, errs *fieldErrors) string {
	if !f.isSecret() {
		return ""
	}
	path, inEnvironment := environment[f.key+fileSuffix]
	_, hasSecret := environment[f.key]
	if !inEnvironment && !hasSecret {
		if given := file[f.key+fileSuffix]; given != nil {
			path = fmt.Sprint(given)
		}
		_, hasSecret = file[f.key]
	}
	if path != "" && hasSecret {
		errs.add(f.key, "set twice, also as "+f.key+fileSuffix)
	}
	return path
}

// readSecret sets the field to the content of a file without its last line break.
func (f field) readSecret(path string, errs *fieldErrors) {
	content, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	text := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	switch {
	case err != nil:
		errs.add(f.key+fileSuffix, err.Error())
	case strings.TrimSpace(text) == "":
		errs.add(f.key+fileSuffix, "file "+path+" is empty, or has only blanks")
	default:
		f.value.SetString(text)
	}
}

// readFiles reads all secrets with a file again. settings is a pointer to the struct whose keys begin with prefix.
func (s secretFiles) readFiles(settings any, prefix string) (errs fieldErrors) {
	for _, field := range fieldsOf(reflect.ValueOf(settings).Elem(), prefix) {
		if path, ok := s[field.key]; ok {
			field.readSecret(path, &errs)
		}
	}
	return errs
}
