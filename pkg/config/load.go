package config

import (
	"encoding"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/billable-events/billable/pkg/suggest"
)

// fileSuffix ends the key of a path whose file holds the secret.
const fileSuffix = "_file"

// Source has the inputs that settings are loaded from.
type Source struct {
	File            string   // path of a YAML file; empty: none
	Environ         []string // as os.Environ returns it
	AllowUnknownEnv bool     // unknown variables are warnings instead of errors
}

// loaded is the result of load besides the settings.
type loaded struct {
	warnings []string
	errs     fieldErrors // unknown keys, and values that could not be read
	files    secretFiles
}

// load overrides the defaults in settings, a pointer to a struct, with the values of the
// source. charges is nil for settings that have none. err is set if the file is unreadable or
// not YAML; all other errors are in result.
func load(source Source, settings any, charges *Charges) (result loaded, err error) {
	fields := fieldsOf(reflect.ValueOf(settings).Elem(), "")
	file := map[string]any{}
	if source.File != "" {
		content, err := os.ReadFile(source.File)
		if err != nil {
			return loaded{}, fmt.Errorf("settings: %w", err)
		}
		var sections map[string]any
		if err := yaml.Unmarshal(content, &sections); err != nil {
			return loaded{}, fmt.Errorf("settings: %s: %w", source.File, err)
		}
		for key, section := range sections {
			if charges == nil || key != chargesKey {
				flatten(file, key, section)
			}
		}
		result.errs.addUnknownKeys(file, fields)
		if charges != nil {
			result.errs.readCharges(charges, sections[chargesKey])
		}
	}
	environment := result.readEnvironment(source, fields)
	for _, field := range fields {
		path := field.secretPath(file, environment, &result.errs)
		if path == "" {
			field.read(file, environment, &result.errs)
			continue
		}
		if result.files == nil {
			result.files = secretFiles{}
		}
		result.files[field.key] = path
		field.readSecret(path, &result.errs)
	}
	return result, nil
}

// flatten adds the content of a key to values. Values in sections have keys joined with dots. An
// empty section has the value nil.
func flatten(values map[string]any, key string, content any) {
	section, ok := mapping(content)
	switch {
	case !ok:
		values[key] = content
	case len(section) == 0:
		values[key] = nil
	}
	for name, value := range section {
		flatten(values, fmt.Sprintf("%s.%v", key, name), value)
	}
}

// field is one setting: a leaf of the settings' struct.
type field struct {
	key   string
	value reflect.Value
}

func keysOf(fields []field) []string {
	keys := make([]string, len(fields))
	for i, field := range fields {
		keys[i] = field.key
	}
	return keys
}

func (f field) isSecret() bool { return f.value.Type() == reflect.TypeFor[Secret]() }

// fieldsOf returns the fields with a tag "key", including those of nested structs. Their keys begin with prefix.
func fieldsOf(settings reflect.Value, prefix string) (fields []field) {
	for i := range settings.NumField() {
		name, ok := settings.Type().Field(i).Tag.Lookup("key")
		if !ok {
			continue
		}
		if value := settings.Field(i); value.Kind() == reflect.Struct {
			fields = append(fields, fieldsOf(value, prefix+name+".")...)
		} else {
			fields = append(fields, field{prefix + name, value})
		}
	}
	return fields
}

// renamed maps the keys of earlier releases to those of this one.
var renamed = map[string]string{
	"budget.jitter":        "ratelimit.jitter",
	"chargebee.late_bound": "chargebee.max_effect_delay",
	"http.drain_pause":     "http.shutdown_delay",
}

func (f *fieldErrors) addUnknownKeys(file map[string]any, fields []field) {
	for _, key := range slices.Sorted(maps.Keys(file)) {
		known := slices.ContainsFunc(fields, func(setting field) bool {
			isPath := setting.isSecret() && key == setting.key+fileSuffix
			isEmptySection := file[key] == nil && strings.HasPrefix(setting.key, key+".")
			return key == setting.key || isPath || isEmptySection
		})
		if known {
			continue
		}
		problem := "unknown setting"
		if newKey, ok := renamed[key]; ok {
			problem += ": use " + newKey
		} else if nearest, ok := suggest.Nearest(key, keysOf(fields)); ok {
			problem += ": did you mean " + nearest + "?"
		}
		f.add(key, problem)
	}
}

// read sets the field to its value in the environment, or else in the file. Without either it keeps its default.
func (f field) read(file map[string]any, environment map[string]string, errs *fieldErrors) {
	text, ok := environment[f.key]
	if !ok {
		if file[f.key] == nil {
			return
		}
		text = fmt.Sprint(file[f.key])
	}
	if f.isSecret() && text != "" && strings.TrimSpace(text) == "" {
		errs.add(f.key, "has only blanks")
	} else if err := f.parse(text); err != nil {
		errs.add(f.key, err.Error())
	}
}

func (f field) parse(text string) error {
	if target, ok := reflect.TypeAssert[encoding.TextUnmarshaler](f.value.Addr()); ok {
		return target.UnmarshalText([]byte(text))
	}
	if f.value.Type() == reflect.TypeFor[time.Duration]() {
		duration, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("invalid duration %q: use a unit, for example 30s or 5m", text)
		}
		f.value.SetInt(int64(duration))
		return nil
	}
	switch f.value.Kind() {
	case reflect.String:
		f.value.SetString(text)
	case reflect.Bool:
		value, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("invalid boolean %q: use true or false", text)
		}
		f.value.SetBool(value)
	case reflect.Int, reflect.Int64:
		value, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("invalid integer %q", text)
		}
		f.value.SetInt(value)
	default:
		panic("config: setting of unsupported type " + f.value.Type().String())
	}
	return nil
}
