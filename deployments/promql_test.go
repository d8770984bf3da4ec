package deployments_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// use is one place where an expression reads a metric.
type use struct {
	metric   string
	matchers map[string]string // the values that are asked for, by label
}

// expression has the metrics and labels of a PromQL expression. They are found as words, without
// parsing: promtool checks the syntax.
type expression struct {
	uses   []use
	groups []string // labels after by, without, on, ignoring and the like
}

var (
	word    = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*`)
	skipped = regexp.MustCompile(`^(\s+|#[^\n]*|"(\\.|[^"\\])*"|'(\\.|[^'\\])*'|\[[^\]]*\]|\$\{?\w+\}?|[0-9.][0-9a-zA-Z.]*|[-+*/%^=!<>~@(),:])`)
	matcher = regexp.MustCompile(`^\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*("(?:\\.|[^"\\])*")\s*,?`)
	labels  = regexp.MustCompile(`^\s*\(([^)]*)\)`)
	called  = regexp.MustCompile(`^\s*(\(|by\b|without\b)`)

	grouping = []string{"by", "without", "on", "ignoring", "group_left", "group_right"}
	keywords = []string{"and", "or", "unless", "bool", "offset", "inf", "nan"}
)

// parse parses an expression. An error has the position.
func parse(text string) (found expression, err error) {
	for text != "" {
		name := word.FindString(text)
		if name == "" {
			skip := skipped.FindString(text)
			if skip == "" {
				return found, fmt.Errorf("what is %q?", text)
			}
			text = text[len(skip):]
			continue
		}
		text = text[len(name):]
		switch {
		case slices.Contains(grouping, strings.ToLower(name)):
			if list := labels.FindStringSubmatch(text); list != nil {
				found.groups = append(found.groups, strings.FieldsFunc(list[1], func(r rune) bool { return r == ',' || r == ' ' })...)
				text = text[len(list[0]):]
			}
		case called.MatchString(text) || slices.Contains(keywords, strings.ToLower(name)):
		default:
			next := use{name, map[string]string{}}
			if text, err = next.read(text); err != nil {
				return found, err
			}
			found.uses = append(found.uses, next)
		}
	}
	return found, nil
}

// read reads the matchers behind a metric's name and returns what follows.
func (u *use) read(text string) (string, error) {
	if !strings.HasPrefix(text, "{") {
		return text, nil
	}
	text = text[1:]
	for {
		match := matcher.FindStringSubmatch(text)
		if match == nil {
			break
		}
		u.matchers[match[1]] = strings.Trim(match[3], `"`)
		text = text[len(match[0]):]
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "}")
	if !ok {
		return text, fmt.Errorf("%s: what is %q?", u.metric, text)
	}
	return rest, nil
}

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`up`:                            "up{} by []",
		`rate(a_total[5m]) * 60 > 1e-3`: "a_total{} by []",
		`sum by (x, y) (rate(a_total{x="1",y=~"2|3"}[5m])) / on (z) group_left () b offset 1h`:                 `a_total{x=1,y=2|3} b{} by [x y z]`,
		`max(a > 0) < 1 and absent(b{c!=""}) unless d # e`:                                                     "a{} b{c=} d{} by []",
		`histogram_quantile(0.99, sum(rate(a_bucket{namespace="$n"}[$__rate_interval])) by (le)) or vector(0)`: "a_bucket{namespace=$n} by [le]",
		`a{b="}"}`:      "a{b=}} by []",
		`a{b="1" c="2"`: "error",
		`a & b`:         "error",
	} {
		found, err := parse(text)
		var parts []string
		for _, use := range found.uses {
			var matchers []string
			for _, label := range slices.Sorted(maps.Keys(use.matchers)) {
				matchers = append(matchers, label+"="+use.matchers[label])
			}
			parts = append(parts, use.metric+"{"+strings.Join(matchers, ",")+"}")
		}
		got := fmt.Sprintf("%s by %v", strings.Join(parts, " "), found.groups)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s\n got %s (%v)\nwant %s", text, got, err, want)
		}
	}
}
