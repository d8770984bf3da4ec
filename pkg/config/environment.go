package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/billable-events/billable/pkg/suggest"
)

const envPrefix = "BILLABLE_"

// variable returns the name of the environment variable of a key.
func variable(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// serviceLink matches NAME=value of the variables that Kubernetes sets for a Service whose name begins with billable.
// https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
var serviceLink = regexp.MustCompile(`^BILLABLE(_[A-Z0-9_]+)?_(` + strings.Join([]string{
	`SERVICE_HOST=[0-9a-f.:]*`,
	`SERVICE_PORT(_[A-Z0-9_]+)?=[0-9]+`,
	`PORT(_[0-9]+_(TCP|UDP|SCTP))?=(tcp|udp|sctp)://.*`,
	`PORT_[0-9]+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR)=.*`,
}, "|") + `)$`)

// readEnvironment returns the values of the variables that set a field of this program, by key. Other variables with
// the prefix:
//
//	earlier name of a variable of this program   error
//	variable of the other program, also renamed  ignored: both programs can share an environment
//	variable that Kubernetes sets                ignored
//	any other                                    error, or a warning with AllowUnknownEnv
func (l *loaded) readEnvironment(source Source, fields []field) map[string]string {
	ownKeys, newNames := variablesOf(fields), map[string]string{}
	allKeys := maps.Clone(ownKeys)
	for _, program := range []any{Receiver{}, Consumer{}} {
		maps.Copy(allKeys, variablesOf(fieldsOf(reflect.ValueOf(program), "")))
	}
	for oldKey, newKey := range renamed {
		newNames[variable(oldKey)] = variable(newKey)
	}
	values := map[string]string{}
	for _, entry := range source.Environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		newName := newNames[name]
		switch {
		case ownKeys[name] != "":
			values[ownKeys[name]] = value
		case ownKeys[newName] != "":
			l.errs.add(name, "unknown setting: use "+newName)
		case allKeys[name] != "", newName != "", serviceLink.MatchString(entry):
		case source.AllowUnknownEnv:
			l.warnings = append(l.warnings, "unknown variable "+name)
		default:
			l.errs.add(name, unknownVariable(name, allKeys))
		}
	}
	return values
}

// variablesOf returns the keys of the fields, by the names of their variables. A secret also has a key with fileSuffix.
func variablesOf(fields []field) map[string]string {
	keys := map[string]string{}
	for _, field := range fields {
		keys[variable(field.key)] = field.key
		if field.isSecret() {
			keys[variable(field.key+fileSuffix)] = field.key + fileSuffix
		}
	}
	return keys
}

func unknownVariable(name string, known map[string]string) string {
	const remedy = "remove it, or allow unknown variables with --allow-unknown-env"
	if nearest, ok := suggest.Nearest(name, slices.Collect(maps.Keys(known))); ok {
		return fmt.Sprintf("unknown variable: did you mean %s? Otherwise %s", nearest, remedy)
	}
	return "unknown variable: " + remedy
}
