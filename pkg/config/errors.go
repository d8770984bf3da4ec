package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// FieldError is one invalid setting.
type FieldError struct {
	Key     string
	Problem string
}

func (e FieldError) String() string { return e.Key + ": " + e.Problem }

// Error reports all invalid settings.
type Error struct {
	Fields []FieldError
}

func (e *Error) Error() string {
	lines := make([]string, len(e.Fields))
	for i, field := range e.Fields {
		lines[i] = field.String()
	}
	return "settings: " + strings.Join(lines, "; ")
}

type fieldErrors []FieldError

func (f *fieldErrors) add(key, problem string) { *f = append(*f, FieldError{key, problem}) }

// require adds an error unless ok. The methods below add one unless the value is valid.
func (f *fieldErrors) require(ok bool, key, problem string) {
	if !ok {
		f.add(key, problem)
	}
}

func (f *fieldErrors) positive(key string, value time.Duration) {
	f.require(value > 0, key, fmt.Sprintf("%s must be positive", value))
}

func (f *fieldErrors) atLeast(key string, value, minimum int64) {
	f.require(value >= minimum, key, fmt.Sprintf("%d must be at least %d", value, minimum))
}

func (f *fieldErrors) oneOf(key, value string, allowed ...string) {
	f.require(slices.Contains(allowed, value), key, invalidChoice(value, allowed))
}

func (f *fieldErrors) notEmpty(key, value string) {
	f.require(value != "", key, "required: set it in the file or as "+variable(key))
}

func invalidChoice(value string, allowed []string) string {
	return fmt.Sprintf("invalid value %q: use one of %s", value, strings.Join(allowed, ", "))
}

// joinErrors returns an *Error of the errors of loading and of validation, or nil. It omits the
// errors of validation for keys that could not be loaded.
func joinErrors(loading, validation fieldErrors) error {
	all := slices.Clone(loading)
	for _, field := range validation {
		if !slices.ContainsFunc(loading, func(failed FieldError) bool { return strings.TrimSuffix(failed.Key, fileSuffix) == field.Key }) {
			all = append(all, field)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return &Error{all}
}
