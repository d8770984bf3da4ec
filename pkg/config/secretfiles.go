package config

import (
	"fmt"
	"os"
	"reflect"
	"strings"
)

// secretFiles are the paths of the secrets that are given as files, by key.
type secretFiles map[string]string

// secretFile returns the path of a secret that is given as a file, else "". The
// environment overrides the file of settings; in each of them, the secret and its path
// exclude each other.
func (f field) secretFile(file map[string]any, environment map[string]string) (path string, err *FieldError) {
	if !f.isSecret() {
		return "", nil
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
		return "", &FieldError{f.key, "set twice, also as " + f.key + fileSuffix}
	}
	return path, nil
}

// readSecret sets the field to the content of the file.
func (f field) readSecret(path string) *FieldError {
	content, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return &FieldError{f.key + fileSuffix, err.Error()}
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if strings.TrimSpace(text) == "" {
		return &FieldError{f.key + fileSuffix, "file " + path + " is empty, or has only blanks"}
	}
	f.value.SetString(text)
	return nil
}

// reload reads the secrets in settings, a pointer to the struct below the prefix, from
// their files again.
func (s secretFiles) reload(settings any, prefix string) (errs fieldErrors) {
	for _, field := range fieldsOf(reflect.ValueOf(settings).Elem(), prefix) {
		path, ok := s[field.key]
		if !ok {
			continue
		}
		if err := field.readSecret(path); err != nil {
			errs = append(errs, *err)
		}
	}
	return errs
}
