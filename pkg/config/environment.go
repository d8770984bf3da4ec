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

func variable(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// serviceLink matches the variables that Kubernetes sets for a Service whose name begins with billable.
// https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
var serviceLink = regexp.MustCompile(`^BILLABLE(_[A-Z0-9_]+)?_(` + strings.Join([]string{
	`SERVICE_HOST=[0-9a-f.:]*`,
	`SERVICE_PORT(_[A-Z0-9_]+)?=[0-9]+`,
	`PORT(_[0-9]+_(TCP|UDP|SCTP))?=(tcp|udp|sctp)://.*`,
	`PORT_[0-9]+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR)=.*`,
}, "|") + `)$`)

// readEnvironment returns the values of the variables that set a field, by key. Those of the other program are
// ignored: both may share an environment. Unknown variables, and those that were renamed, are errors, because their
// values would be ignored.
func (l *loaded) readEnvironment(source Source, fields []field) map[string]string {
	own, replaced := variablesOf(fields), map[string]string{}
	all := maps.Clone(own)
	for _, program := range []any{Receiver{}, Consumer{}} {
		maps.Copy(all, variablesOf(fieldsOf(reflect.ValueOf(program), "")))
	}
	for before, now := range renamed {
		replaced[variable(before)] = variable(now)
	}
	values := map[string]string{}
	for _, entry := range source.Environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		now := replaced[name]
		switch {
		case own[name] != "":
			values[own[name]] = value
		case own[now] != "":
			l.errs.add(name, "unknown setting: use "+now)
		case all[name] != "", now != "", serviceLink.MatchString(entry):
		case source.AllowUnknownEnv:
			l.warnings = append(l.warnings, "unknown variable "+name)
		default:
			l.errs.add(name, unknownVariable(name, all))
		}
	}
	return values
}

// variablesOf returns the keys that variables set, by the name of the variable.
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
