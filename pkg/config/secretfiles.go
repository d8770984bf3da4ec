package config

import (
	"fmt"
	"os"
	"reflect"
	"strings"
)

// secretFiles are the paths of the secrets that are given as files, by key.
type secretFiles map[string]string

// FromFiles reports whether there are any, so that Reload can return others.
func (s secretFiles) FromFiles() bool { return len(s) > 0 }

// secretFile returns the path of a secret that is given as a file, else "". The environment overrides the file of
// settings; in each of them, the secret and its path exclude each other.
func (f field) secretFile(file map[string]any, environment map[string]string, errs *fieldErrors) string {
	if !f.isSecret() {
		return ""
	}
	path, inEnvironment := environment[f.key+fileSuffix]
	_, plain := environment[f.key]
	if !inEnvironment && !plain {
		if given := file[f.key+fileSuffix]; given != nil {
			path = fmt.Sprint(given)
		}
		_, plain = file[f.key]
	}
	if path != "" && plain {
		errs.add(f.key, "set twice, also as "+f.key+fileSuffix)
	}
	return path
}

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

// readFiles reads the secrets in settings, a pointer to the struct below the prefix, from their files again.
func (s secretFiles) readFiles(settings any, prefix string) (errs fieldErrors) {
	for _, field := range fieldsOf(reflect.ValueOf(settings).Elem(), prefix) {
		if path, ok := s[field.key]; ok {
			field.readSecret(path, &errs)
		}
	}
	return errs
}
