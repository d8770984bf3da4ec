package config

import (
	"encoding"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
)

const (
	envPrefix  = "BILLABLE_"
	fileSuffix = "_file"
)

// Source is where settings come from.
type Source struct {
	File    string   // path of a YAML file; empty: none
	Environ []string // as of os.Environ
}

// Fault is one setting that is wrong.
type Fault struct {
	Key     string
	Problem string
}

func (f Fault) String() string { return f.Key + ": " + f.Problem }

// Error reports all faults of the settings.
type Error struct {
	Faults []Fault
}

func (e *Error) Error() string {
	lines := make([]string, len(e.Faults))
	for i, fault := range e.Faults {
		lines[i] = fault.String()
	}
	return "settings: " + strings.Join(lines, "; ")
}

// loaded is what load has to say.
type loaded struct {
	warnings []string
	faults   []Fault     // that kept a value from being read
	files    secretFiles // of the secrets that were given as files
}

// load puts what the source says into settings, a pointer to a struct that holds
// the defaults.
func load(source Source, settings any) (result loaded, err error) {
	fields, sections := fieldsOf(reflect.ValueOf(settings).Elem(), "")
	file := koanf.New(".")
	if source.File != "" {
		content, err := os.ReadFile(source.File)
		if err != nil {
			return loaded{}, fmt.Errorf("settings: %w", err)
		}
		if err := file.Load(rawbytes.Provider(content), yaml.Parser()); err != nil {
			return loaded{}, fmt.Errorf("settings: %s: %w", source.File, err)
		}
		if result.faults, err = readSections(file, content, sections); err != nil {
			return loaded{}, fmt.Errorf("settings: %s: %w", source.File, err)
		}
	}
	result.faults = append(unknownKeys(file, fields), result.faults...)

	environment, unknown, warnings := readEnvironment(source.Environ, fields)
	result.faults, result.warnings = append(result.faults, unknown...), warnings
	values := koanf.New(".")
	if err := errors.Join(values.Merge(file), values.Load(confmap.Provider(environment, "."), nil)); err != nil {
		return loaded{}, fmt.Errorf("settings: %w", err)
	}
	for _, field := range fields {
		path, fault := field.secretFile(file, environment)
		switch {
		case fault != nil:
		case path != "":
			if result.files == nil {
				result.files = secretFiles{}
			}
			result.files[field.key] = path
			fault = field.readSecret(path)
		default:
			fault = field.read(values)
		}
		if fault != nil {
			result.faults = append(result.faults, *fault)
		}
	}
	return result, nil
}

// field is one setting: a leaf of the settings' struct.
type field struct {
	key   string
	value reflect.Value
}

func (f field) secret() bool { return f.value.Type() == reflect.TypeFor[Secret]() }

// section is a setting at the top of the file whose keys are the operator's own words.
// It is read as YAML has it: as paths with dots its keys would be ambiguous, and koanf
// makes texts of all keys.
type section interface {
	// readSection takes what the file has at the key, nil if it has nothing there.
	readSection(key string, content any) faults
}

func fieldsOf(of reflect.Value, prefix string) (fields []field, sections map[string]section) {
	sections = map[string]section{}
	for i := range of.NumField() {
		name, ok := of.Type().Field(i).Tag.Lookup("key")
		if !ok {
			continue // no setting
		}
		key := prefix + name
		value := of.Field(i)
		if own, ok := reflect.TypeAssert[section](value.Addr()); ok {
			sections[key] = own
			continue
		}
		if value.Kind() != reflect.Struct {
			fields = append(fields, field{key, value})
			continue
		}
		inner, _ := fieldsOf(value, key+".")
		fields = append(fields, inner...)
	}
	return fields, sections
}

// readSections reads the sections and takes them out of the file.
func readSections(file *koanf.Koanf, content []byte, sections map[string]section) ([]Fault, error) {
	written, err := yaml.Parser().Unmarshal(content)
	if err != nil {
		return nil, err
	}
	var faults []Fault
	for key, section := range sections {
		faults = append(faults, section.readSection(key, written[key])...)
		file.Delete(key)
	}
	return faults, nil
}

func unknownKeys(file *koanf.Koanf, fields []field) []Fault {
	var faults []Fault
	for _, key := range file.Keys() {
		known := slices.ContainsFunc(fields, func(f field) bool {
			return key == f.key || f.secret() && key == f.key+fileSuffix
		})
		if !known && !emptySection(file, key, fields) {
			faults = append(faults, unknownSetting(key))
		}
	}
	return faults
}

// renamedSettings are the keys of earlier releases, and what they are called now.
var renamedSettings = map[string]string{
	"budget.jitter":        "ratelimit.jitter",
	"chargebee.late_bound": "chargebee.max_effect_delay",
	"http.drain_pause":     "http.shutdown_delay",
}

func unknownSetting(key string) Fault {
	if renamed, ok := renamedSettings[key]; ok {
		return Fault{key, "unknown setting: use " + renamed}
	}
	return Fault{key, "unknown setting"}
}

// emptySection allows a section whose keys are all commented out.
func emptySection(file *koanf.Koanf, key string, fields []field) bool {
	return file.Get(key) == nil && slices.ContainsFunc(fields, func(f field) bool { return strings.HasPrefix(f.key, key+".") })
}

// readEnvironment returns the values of the variables that name a setting, by key. An
// unknown variable is a warning: the other binary may share the environment. A renamed
// one of this binary is a fault, because its value would be lost.
func readEnvironment(environ []string, fields []field) (values map[string]any, unknown []Fault, warnings []string) {
	keys, renamed := map[string]string{}, map[string]string{}
	for before, after := range renamedSettings {
		if slices.ContainsFunc(fields, func(f field) bool { return f.key == after }) {
			renamed[variable(before)] = after
		}
	}
	for _, field := range fields {
		keys[variable(field.key)] = field.key
		if field.secret() {
			keys[variable(field.key+fileSuffix)] = field.key + fileSuffix
		}
	}
	values = map[string]any{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		if key, ok := keys[name]; ok {
			values[key] = value
		} else if after, ok := renamed[name]; ok {
			unknown = append(unknown, Fault{name, "unknown setting: use " + variable(after)})
		} else {
			warnings = append(warnings, name+" names no setting")
		}
	}
	return values, unknown, warnings
}

func variable(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// read sets the field to what was given for it, if anything.
func (f field) read(values *koanf.Koanf) *Fault {
	if !values.Exists(f.key) || values.Get(f.key) == nil {
		return nil
	}
	if err := f.parse(fmt.Sprint(values.Get(f.key))); err != nil {
		if f.secret() {
			err = errors.New("it cannot be read")
		}
		return &Fault{f.key, err.Error()}
	}
	return nil
}

func (f field) parse(text string) error {
	target := f.value.Addr().Interface()
	if target, ok := target.(*time.Duration); ok {
		duration, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is no duration: give it as 30s or 5m", text)
		}
		*target = duration
		return nil
	}
	if target, ok := target.(encoding.TextUnmarshaler); ok {
		return target.UnmarshalText([]byte(text))
	}
	switch f.value.Kind() {
	case reflect.String:
		f.value.SetString(text)
	case reflect.Bool:
		value, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		f.value.SetBool(value)
	case reflect.Int, reflect.Int64:
		value, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is no integer", text)
		}
		f.value.SetInt(value)
	default:
		panic("config: a setting of type " + f.value.Type().String())
	}
	return nil
}
