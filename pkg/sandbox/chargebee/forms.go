package chargebee

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// kind is the type of a parameter.
type kind int

const (
	text    kind = iota // at most max code points
	integer             // from min to max
	boolean             // true or false
)

// parameter is one documented parameter of an operation.
type parameter struct {
	name     string
	kind     kind
	required bool
	min, max int64
}

// parameters are the parameters of an operation. Others are refused: Chargebee's response
// to them is not documented, and ignoring a misspelt date would hide it.
type parameters []parameter

// timestamp returns a parameter in unix seconds.
func timestamp(name string) parameter {
	return parameter{name: name, kind: integer, max: math.MaxInt64}
}

// fields are the values of an operation's parameters by name, checked.
type fields map[string]string

// parse checks a form. A blank value is an absent one.
func (p parameters) parse(form url.Values) (fields, error) {
	parsed := fields{}
	for _, name := range slices.Sorted(maps.Keys(form)) { // sorted: the same form has the same first fault
		values := form[name]
		at := slices.IndexFunc(p, func(one parameter) bool { return one.name == name })
		if at < 0 {
			return nil, wrongValue(name, "unknown parameter")
		}
		if len(values) > 1 {
			return nil, wrongValue(name, "given more than once")
		}
		if strings.TrimSpace(values[0]) == "" {
			continue
		}
		if problem := p[at].problem(values[0]); problem != "" {
			return nil, wrongValue(name, problem)
		}
		parsed[name] = values[0]
	}
	for _, parameter := range p {
		if parameter.required && !parsed.has(parameter.name) {
			return nil, wrongValue(parameter.name, "cannot be blank")
		}
	}
	return parsed, nil
}

// problem returns the problem of a value, or nothing.
func (p parameter) problem(value string) string {
	if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
		return "should be valid UTF-8 text"
	}
	switch p.kind {
	case text:
		if int64(utf8.RuneCountInString(value)) > p.max {
			return fmt.Sprintf("should not exceed %d characters", p.max)
		}
	case integer:
		number, err := strconv.ParseInt(value, 10, 64)
		switch {
		case err != nil || value[0] == '+':
			return "should be an integer"
		case number < p.min:
			return fmt.Sprintf("should be greater than or equal to %d", p.min)
		case number > p.max:
			return fmt.Sprintf("should be less than or equal to %d", p.max)
		}
	case boolean:
		if value != "true" && value != "false" {
			return "should be true or false"
		}
	}
	return ""
}

func (f fields) has(name string) bool {
	_, ok := f[name]
	return ok
}

func (f fields) text(name string) string { return f[name] }

// integer returns the value of an integer parameter, or otherwise when it is absent.
func (f fields) integer(name string, otherwise int64) int64 {
	value, ok := f[name]
	if !ok {
		return otherwise
	}
	number, _ := strconv.ParseInt(value, 10, 64) // checked by problem
	return number
}

func (f fields) boolean(name string) bool { return f[name] == "true" }
