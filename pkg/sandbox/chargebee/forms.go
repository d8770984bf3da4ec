package chargebee

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/url"
	"regexp"
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
	texts               // a JSON array of strings
	moments             // a JSON array of two timestamps
)

// parameter is one documented parameter of an operation.
type parameter struct {
	name     string
	kind     kind
	required bool
	min, max int64
	indexed  bool // sent as name[0], name[1], …
}

// parameters are the parameters of an operation. Others are refused: Chargebee's response
// to them is not documented, and ignoring a misspelt date would hide it.
type parameters []parameter

// timestamp returns a parameter in unix seconds.
func timestamp(name string) parameter {
	return parameter{name: name, kind: integer, max: math.MaxInt64}
}

// fields are the values of an operation's parameters, checked.
type fields struct {
	values  map[string]string   // by name
	indexed map[string][]string // by name
}

// parse checks a form. A blank value is an absent one.
func (p parameters) parse(form url.Values) (fields, error) {
	parsed := fields{values: map[string]string{}, indexed: map[string][]string{}}
	for _, name := range slices.Sorted(maps.Keys(form)) { // sorted: the same form has the same first fault
		values := form[name]
		parameter, known := p.find(name)
		if !known {
			return fields{}, wrongValue(name, "unknown parameter")
		}
		if len(values) > 1 {
			return fields{}, wrongValue(name, "given more than once")
		}
		if strings.TrimSpace(values[0]) == "" {
			continue
		}
		if problem := parameter.problem(values[0]); problem != "" {
			return fields{}, wrongValue(name, problem)
		}
		if !parameter.indexed {
			parsed.values[name] = values[0]
			continue
		}
		parsed.indexed[parameter.name] = append(parsed.indexed[parameter.name], values[0])
	}
	for _, parameter := range p {
		if !parameter.required {
			continue
		}
		if parameter.indexed && len(parsed.indexed[parameter.name]) == 0 {
			return fields{}, wrongValue(parameter.name+"[0]", "cannot be blank")
		}
		if !parameter.indexed && !parsed.has(parameter.name) {
			return fields{}, wrongValue(parameter.name, "cannot be blank")
		}
	}
	return parsed, nil
}

// find looks up the parameter that a name in a form belongs to.
func (p parameters) find(name string) (found parameter, known bool) {
	array := arrayIndex.ReplaceAllString(name, "")
	for _, parameter := range p {
		if parameter.indexed && array != name && array == parameter.name || !parameter.indexed && name == parameter.name {
			return parameter, true
		}
	}
	return parameter{}, false
}

// arrayIndex is the end of the name of an indexed parameter.
var arrayIndex = regexp.MustCompile(`\[[0-9]+\]$`)

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
	case texts:
		var list []string
		if err := json.Unmarshal([]byte(value), &list); err != nil || len(list) == 0 {
			return "should be a JSON array of strings"
		}
	case moments:
		if _, err := parseMoments(value); err != nil {
			return "should be a JSON array of two timestamps"
		}
	}
	return ""
}

// parseMoments reads ["1700000000","1700086400"], as the clients send it, or
// the same with numbers.
func parseMoments(value string) ([2]int64, error) {
	var list []json.Number
	if err := json.Unmarshal([]byte(value), &list); err != nil {
		return [2]int64{}, err
	}
	if len(list) != 2 {
		return [2]int64{}, fmt.Errorf("%d timestamps instead of 2", len(list))
	}
	var both [2]int64
	for i, number := range list {
		moment, err := number.Int64()
		if err != nil {
			return [2]int64{}, err
		}
		both[i] = moment
	}
	return both, nil
}

func (f fields) has(name string) bool {
	_, ok := f.values[name]
	return ok
}

func (f fields) text(name string) string { return f.values[name] }

// integer returns the value of an integer parameter, or otherwise when it is absent.
func (f fields) integer(name string, otherwise int64) int64 {
	value, ok := f.values[name]
	if !ok {
		return otherwise
	}
	number, _ := strconv.ParseInt(value, 10, 64) // checked by problem
	return number
}

func (f fields) boolean(name string) bool { return f.values[name] == "true" }

func (f fields) texts(name string) []string {
	if !f.has(name) {
		return nil
	}
	var list []string
	_ = json.Unmarshal([]byte(f.values[name]), &list) // checked by problem
	return list
}

func (f fields) moments(name string) [2]int64 {
	both, _ := parseMoments(f.values[name]) // checked by problem
	return both
}
